"""Prepares the pages of the site in a directory of their own, for Sphinx.

docs/README.md lists the pages by their four kinds; its headings and links become the site's
menu. The README is the first page.
"""

from pathlib import Path
import re
import shutil

from .reference import api_pages, commands_page

MENU = Path('docs', 'README.md')
OTHERS = ('CONTRIBUTING.md', 'CHANGELOG.md', 'QUALITY_DECLARATION.md')  # pages beside the README
REFERENCE = 'Reference'  # the kind of the pages that are made from the code
GENERATED = Path('docs', 'generated')
_LINK = re.compile(r'\]\(([\w./-]+\.md)\)')
_HEADING = re.compile(r'^## (.+)$', re.M)


def write_pages(root: Path, to: Path) -> None:
    """Write all pages, images and the configuration into the empty directory `to`."""
    shutil.copytree(root / 'docs', to / 'docs', ignore=shutil.ignore_patterns('*.py', 'site'))
    for name in OTHERS:
        shutil.copy(root / name, to)
    shutil.copy(root / 'docs' / 'site' / 'conf.py', to)
    generated = to / GENERATED
    generated.mkdir()
    (generated / 'commands.md').write_text(commands_page(), encoding='utf-8')
    packages = api_pages(root)
    for package, text in packages.items():
        (generated / f'{package}.md').write_text(text, encoding='utf-8')
    (generated / 'python.md').write_text(
        '# Python API\n\nWhat a package offers to other packages, from the docstrings.\n'
        + _toctree('', list(packages)),
        encoding='utf-8',
    )
    for page in to.rglob('*.md'):
        _point_to_the_first_page(page, 'README.md' if page.parent == to else '../README.md')
    first = _without_links_outside((root / 'README.md').read_text(encoding='utf-8'))
    (to / 'index.md').write_text(first + _menu(root), encoding='utf-8')


def kinds(root: Path) -> dict[str, list[str]]:
    """The kinds of pages, and the pages of each, as docs/README.md lists them."""
    _, *parts = _HEADING.split((root / MENU).read_text(encoding='utf-8'))
    return {
        title: list(dict.fromkeys(_LINK.findall(text)))
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _menu(root: Path) -> str:
    menus = {title: [_page_name(link) for link in links] for title, links in kinds(root).items()}
    menus[REFERENCE] += [f'{GENERATED}/{name}' for name in ('commands', 'python')]
    return _toctree('', [str(MENU)]) + ''.join(map(_toctree, menus, menus.values()))


def _page_name(link: str) -> str:
    """A link of docs/README.md as the name of a page of the site."""
    return link.removeprefix('../') if link.startswith('../') else f'docs/{link}'


def _toctree(title: str, pages: list[str]) -> str:
    caption = f':caption: {title}\n' if title else ''
    return f'\n```{{toctree}}\n:hidden:\n{caption}\n' + '\n'.join(pages) + '\n```\n'


def _point_to_the_first_page(page: Path, readme: str) -> None:
    text = page.read_text(encoding='utf-8')
    changed = text.replace(f']({readme}', f']({readme.replace("README", "index")}')
    page.write_text(_without_links_outside(changed), encoding='utf-8')


def _without_links_outside(text: str) -> str:
    """Text whose links to files of the source tree are plain names: the site has no such files."""
    return re.sub(r'\[([^\]]+)\]\((?:\.\./)*(?:src|bench|tests|lock|LICENSE)[^)]*\)', r'\1', text)
