"""The report of a run as one HTML page that needs no other file."""

from collections.abc import Callable
from html import escape
from importlib.metadata import version
import platform
import shlex
import sys
from typing import Any, TypeVar

from hilserl_core.contract.steps import Outcome

from . import figures
from .run_record import RunRecord, Strip

T = TypeVar('T')
PACKAGES = ('torch', 'numpy', 'mujoco', 'rosbags')
STYLE = """body{font:15px/1.5 sans-serif;max-width:52em;margin:2em auto;padding:0 1em;color:#222}
h1{margin-bottom:0}h2{margin-top:1.8em;border-bottom:1px solid #ccc}table{border-collapse:collapse}
td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top}svg{width:100%;height:auto}
img.strip{width:100%;image-rendering:pixelated}figure{display:inline-block;width:30%;margin:0 1%;
vertical-align:top}figcaption,code{font-size:11px;overflow-wrap:anywhere}.note{color:#666}
@media(prefers-color-scheme:dark){body{background:#fff}}"""


def page(run: RunRecord) -> str:
    """The whole page."""
    summary = _summary(run)
    parts = [
        f'<h1>{escape(run.path.name)}</h1><p class="note">{escape(summary.pop("what"))}</p>',
        _table(summary),
        '<h2>Success</h2>',
        _draw_or_explain(figures.success, run),
        '<p class="note">Bands and bars are 95 % intervals (Wilson). An episode with human '
        'steps does not count as a success of the policy.</p>',
        '<h2>Interventions and exploration</h2>',
        _draw_or_explain(figures.intervention, run),
        '<h2>Q and its bound</h2>',
        _draw_or_explain(figures.values, run),
        '<h2>Losses</h2>',
        _draw_or_explain(figures.losses, run),
        '<h2>Actions</h2>',
        _draw_or_explain(figures.actions, run),
        '<h2>Wrist camera</h2>',
    ]
    for what, shown in (('Fastest success without help', run.best), ('Last failure', run.failed)):
        images = f'{escape(shown.title)}<br>{_draw_or_explain(_strip, shown)}' if shown else 'none'
        parts.append(f'<p>{what}: {images}</p>')
    parts += [
        '<h2>Rewarded episodes</h2>',
        '<p class="note">The last image of each success, the newest first. Under an image that '
        'shows none: the command that makes the episode a failure.</p>',
        _draw_or_explain(_rewarded, run),
        '<h2>Configuration</h2>',
        _table(_configuration(run)),
        '<h2>Versions</h2>',
        _table(_versions()),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>'
        f'{escape(run.path.name)}</title><style>{STYLE}</style>' + '\n'.join(parts) + '</html>\n'
    )


def _draw_or_explain(draw: Callable[[T], str], data: T) -> str:
    """A figure as HTML; a sentence instead if it cannot be drawn."""
    try:
        return draw(data)
    except Exception as error:
        name = draw.__name__.strip('_')
        sentence = f'no figure {name!r} ({type(error).__name__}: {error})'
        print(f'cell report: {sentence}', file=sys.stderr)
        return f'<p class="note">{escape(sentence)}</p>'


def _rewarded(run: RunRecord) -> str:
    return ''.join(
        f'<figure>{_strip(shown)}<figcaption>{escape(shown.title)}<br><code>./cell label '
        f'{escape(shlex.quote(str(bag)))} failure</code></figcaption></figure>'
        for bag, shown in reversed(run.rewarded)
    )


def _strip(shown: Strip) -> str:
    return f'<img class="strip" alt="{escape(shown.title)}" src="{figures.strip(shown)}">'


def _summary(run: RunRecord) -> dict[str, str]:
    rows = run.episodes
    successes = sum(row.outcome == Outcome.SUCCESS for row in rows)
    alone = sum(row.alone for row in rows)
    human, steps = sum(r.human_steps for r in rows), sum(r.steps for r in rows)
    world = run.file.settings.get('world') or 'not recorded'
    found = {
        'what': f'task {run.schema.name}, world {world}, '
        f'start {run.file.settings.get("start")}, '
        f'seed {run.file.settings.get("seed")}',
        'robot time': f'{run.step_minutes[-1] if len(run.step_minutes) else 0.0:.1f} minutes',
        'episodes': f'{len(rows):,}, {successes:,} succeeded, {alone:,} of them without help',
        'steps': f'{steps:,}, {100 * human / max(steps, 1):.0f} % by the human',
    }
    for data in run.evaluations[-1:]:
        found['last evaluation'] = (
            f'{data["summary"]}; policy version {data["policy_version"]}, '
            f'{data["policy_updates"]:,} updates, world {data.get("world", "not recorded")}'
        )
    return found


def _configuration(run: RunRecord) -> dict[str, Any]:
    found = {'name': run.file.name, 'schema hash': run.file.schema_hash} | run.file.options()
    for start in run.file.resumed:
        found[f'changed at {start.at}'] = '; '.join(start.changed)
    for name, value in run.agent.items():
        found |= value if isinstance(value, dict) else {name: value}
    return found


def _versions() -> dict[str, str]:
    found = {'Python': platform.python_version(), 'machine': platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except ImportError:
            pass  # a package may be installed without metadata
    return found


def _table(rows: dict[str, Any]) -> str:
    return (
        '<table>'
        + ''.join(
            f'<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>'
            for name, value in rows.items()
        )
        + '</table>'
    )
