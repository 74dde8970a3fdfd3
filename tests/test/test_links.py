"""Links of the documentation: files, headings and images exist. Needs no network."""

from pathlib import Path
import re
from urllib.parse import urlsplit

import pytest

from hilserl_tests.source_tree import source_root

ROOT = source_root()
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md')])
EXAMPLES = re.compile(r'^```.*?^```|`[^`\n]*`', re.M | re.S)  # code is no prose
LINK = re.compile(r'!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^()\s]+)\)')


def links(page: Path) -> list[str]:
    return LINK.findall(EXAMPLES.sub('', page.read_text(encoding='utf-8')))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.M | re.S)
    return {
        re.sub(r'[^\w\- ]', '', heading.replace('`', '').lower()).strip().replace(' ', '-')
        for heading in re.findall(r'^#+ +(.+)$', text, re.M)
    }


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_a_file_and_a_heading_that_exist(page):
    missing = []
    for link in links(page):
        if link.startswith(('https://', 'http://')):
            if not urlsplit(link).hostname or ' ' in link:
                missing.append(link)
            continue
        file, _, anchor = link.partition('#')
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert not missing


def test_links_are_found_at_all():
    assert sum(len(links(page)) for page in PAGES) > 100
    assert 'first-day' not in anchors(ROOT / 'README.md')
    assert 'on-the-real-arm' in anchors(ROOT / 'README.md')


def test_each_page_can_be_reached_from_the_readme():
    reached, todo = set(), [ROOT / 'README.md']
    while todo:
        page = todo.pop()
        reached.add(page)
        files = {(page.parent / link.partition('#')[0]).resolve() for link in links(page)}
        todo += [file for file in files if file in PAGES and file not in reached]
    assert {page.name for page in PAGES} - {page.name for page in reached} == set()


def test_pictures_of_the_readme_are_small():
    images = [
        link for link in links(ROOT / 'README.md') if Path(link).suffix in ('.gif', '.png', '.svg')
    ]
    assert len(images) >= 2
    assert all((ROOT / image).stat().st_size < 3_000_000 for image in images)
