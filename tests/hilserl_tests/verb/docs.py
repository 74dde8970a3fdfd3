"""Build the documentation's site; needs PyPI the first time.

The site is in build/docs/site/index.html, and needs no server. The pages are those of docs/, the
commands' help and the Python API. A warning, such as a broken link, ends the command with 1; so
does a page that would load something from another server.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
import shutil
import subprocess
import venv

from so101_node.errors import CellError

from ..source_tree import source_root


def add_arguments(parser: ArgumentParser) -> None:
    """There are none."""


def main(options: Namespace) -> int:
    """Build the site."""
    from ..site.offline import loads_from_elsewhere
    from ..site.pages import write_pages

    root = source_root()
    build = root / 'build' / 'docs'
    python = _environment(root, build / 'venv')
    source, site = build / 'pages', build / 'site'
    for old in (source, site):
        shutil.rmtree(old, ignore_errors=True)
    source.mkdir(parents=True)
    write_pages(root, source)
    words = ['-m', 'sphinx', '--builder', 'html', '--quiet', '--fail-on-warning', '--keep-going']
    code = subprocess.call([str(python), *words, str(source), str(site)])
    if code:
        raise CellError('the site has the faults that are listed above')
    if found := loads_from_elsewhere(site):
        raise CellError(f'the site would not work without a network: {"; ".join(found)}')
    print(f'{site / "index.html"}: {len(list(site.rglob("*.html")))} pages')
    return 0


def _environment(root: Path, directory: Path) -> Path:
    """Return the interpreter of docs/site/lock.txt's environment, made if it is not there."""
    lock, python = root / 'docs' / 'site' / 'lock.txt', directory / 'bin' / 'python'
    made_from = directory / lock.name
    if not made_from.exists() or made_from.read_bytes() != lock.read_bytes():
        print('cell docs: installing Sphinx into build/docs/venv (once; 40 MB)', flush=True)
        venv.create(directory, with_pip=True, clear=True)
        words = [
            '-m',
            'pip',
            'install',
            '--quiet',
            '--require-hashes',
            '--no-deps',
            '-r',
            str(lock),
        ]
        if subprocess.call([str(python), *words]):
            shutil.rmtree(directory)
            raise CellError('the packages of docs/site/lock.txt cannot be installed; see above')
        shutil.copy(lock, made_from)
    return python
