"""Finds what a page of the site would load from another server.

A link that a reader may follow is none of that.
"""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
import re

_LOADED = {  # the attributes of an element by which a browser loads something
    'script': ('src',),
    'link': ('href',),
    'img': ('src', 'srcset'),
    'iframe': ('src',),
    'source': ('src', 'srcset'),
    'video': ('src', 'poster'),
    'audio': ('src',),
    'object': ('data',),
    'embed': ('src',),
    'image': ('href', 'xlink:href'),
    'use': ('href', 'xlink:href'),
}
_LINKS = {'canonical', 'next', 'prev', 'search', 'index', 'author', 'license'}  # not loaded
_REMOTE = re.compile(r'(?:https?:)?//[\w.-]+')
# in a script: import ... from "https://...", import("https://...")
_IMPORT = re.compile(r"""\b(?:from|import)\s*\(?\s*["'](https?://[^"']+)""")
_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[\w.-]+[^"')\s;]*)""")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ''

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in ('script', 'style') else ''
        values = dict(attrs)
        if tag == 'link' and set((values.get('rel') or '').split()) & _LINKS:
            return
        for name in _LOADED.get(tag, ()):
            if _REMOTE.match(values.get(name) or ''):
                self.found.append(str(values[name]))
        self.found += _STYLE.findall(values.get('style') or '')

    def handle_endtag(self, tag: str) -> None:
        self._inside = ''

    def handle_data(self, data: str) -> None:
        if self._inside == 'script':
            self.found += _IMPORT.findall(data)
        elif self._inside == 'style':
            self.found += _STYLE.findall(data)


def loads_from_elsewhere(site: Path) -> list[str]:
    """Return `page: address` for each part of a page, script or style of another server."""
    return [
        f'{file.relative_to(site)}: {address}'
        for file in sorted(site.rglob('*'))
        for address in _addresses(file)
    ]


def _addresses(file: Path) -> Iterator[str]:
    if file.suffix in ('.html', '.svg'):
        page = _Page()
        page.feed(file.read_text(encoding='utf-8'))
        yield from page.found
    elif file.suffix == '.css':
        yield from _STYLE.findall(file.read_text(encoding='utf-8'))
    elif file.suffix in ('.js', '.mjs'):
        yield from _IMPORT.findall(file.read_text(encoding='utf-8'))
