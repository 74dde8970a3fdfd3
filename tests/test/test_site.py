"""The pages of `./cell docs`, without Sphinx, which is not installed by `./cell setup`."""

import ast
import re

import pytest

from hilserl_tests import interfaces_page
from hilserl_tests.site import pages, reference
from hilserl_tests.site.offline import loads_from_elsewhere
from hilserl_tests.source_tree import source_root

pytestmark = pytest.mark.slow

ROOT = source_root()


def test_interfaces_page_is_made_from_this_code():
    assert (ROOT / 'docs' / 'interfaces.md').read_text(encoding='utf-8') == (
        interfaces_page.page()
    ), 'run python -m hilserl_tests.interfaces_page --write'


def test_each_right_of_a_node_is_on_the_interfaces_page():
    topics, services = interfaces_page.interfaces()
    shown = {
        'publish': {each.name for each in topics},
        'subscribe': {each.name for each in topics},
        'serve': {each.name for each in services},
        'call': {each.name for each in services},
    }
    for rights in interfaces_page.RIGHTS.values():
        for field, known in shown.items():
            for name in getattr(rights, field):
                template = re.sub('^(follower|leader)/', '{arm}/', name)
                template = template.replace('wrist_camera/', '{camera}/')
                of_node = re.sub('^(driver|camera)/', '{node}/', name)
                assert template in known or of_node in known, (field, name)


def test_each_page_of_docs_is_in_one_kind_of_the_menu():
    kinds = pages.kinds(ROOT)
    assert list(kinds) == ['Tutorials', 'How to', 'Reference', 'Explanation']
    listed = [page for of_kind in kinds.values() for page in of_kind if page[:3] != '../']
    docs = ROOT / 'docs'
    there = {str(file.relative_to(docs)) for file in docs.rglob('*.md')} - {'README.md'}
    assert sorted(listed) == sorted(there)


def test_the_site_s_menus_name_pages_that_exist(tmp_path):
    pages.write_pages(ROOT, tmp_path)
    menus = 0
    for page in tmp_path.rglob('*.md'):
        for menu in re.findall(r'^```\{toctree\}\n(.*?)^```', page.read_text(), re.M | re.S):
            menus += 1
            for name in menu.splitlines():
                if name and not name.startswith(':'):
                    file = page.parent / name
                    assert file.exists() or file.with_name(file.name + '.md').exists(), name
    assert menus >= 5
    assert not list(tmp_path.rglob('*.py'))[1:]  # conf.py alone
    assert (tmp_path / 'docs' / 'training.gif').exists()


def test_each_link_to_a_page_leads_to_a_page_of_the_site(tmp_path):
    pages.write_pages(ROOT, tmp_path)
    link_to_page = re.compile(r'\]\(([\w./-]+\.md)(?:#[^)]*)?\)')
    links = [
        (page, link)
        for page in tmp_path.rglob('*.md')
        for link in link_to_page.findall(page.read_text(encoding='utf-8'))
    ]
    assert len(links) > 50
    assert not [(page.name, link) for page, link in links if not (page.parent / link).exists()]


def test_the_api_has_every_public_name_of_the_wings_with_its_docstring():
    found = reference.api_pages(ROOT)
    assert set(found) == set(reference.PACKAGES)
    for package, text in found.items():
        modules = reference.modules_of(ROOT, package)
        assert modules, package
        for module in modules:
            assert f'\n## {module}\n' in text
            file = ROOT / 'src' / package / (module.replace('.', '/') + '.py')
            for node in ast.parse(file.read_text(encoding='utf-8')).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != '_':
                    assert f'### {node.name}\n' in text
                    assert (ast.get_docstring(node) or '') in text


def test_the_commands_page_has_the_help_of_every_verb():
    text = reference.commands_page()
    for words in ('## watch\n', '--play', '## train\n', 'docs/options.md lists every option'):
        assert words in text


@pytest.mark.parametrize(
    'part',
    [
        '<script src="https://cdn.jsdelivr.net/npm/mermaid@11.12.1/dist/mermaid.min.js"></script>',
        '<script type="module">import mermaid from "https://cdn.jsdelivr.net/m.mjs";</script>',
        '<link rel="stylesheet" href="//fonts.example.org/a.css">',
        '<img src="http://example.org/picture.png">',
        '<style>@import "https://example.org/a.css";</style>',
        '<p style="background: url(https://example.org/a.png)">',
    ],
)
def test_what_a_page_loads_from_another_server_is_found(tmp_path, part):
    own = (
        '<img src="_static/a.png"><a href="https://github.com">x</a> https://example.org <script>'
    )
    own += (
        'var address = "https://example.org";</script><link rel="canonical" href="https://a.b/">'
    )
    (tmp_path / 'page.html').write_text(own)
    assert loads_from_elsewhere(tmp_path) == []
    (tmp_path / 'page.html').write_text(own + part)
    assert [line.partition(':')[0] for line in loads_from_elsewhere(tmp_path)] == ['page.html']


def test_a_style_or_a_script_of_another_server_is_found(tmp_path):
    (tmp_path / 'a.css').write_text('a { background: url("https://example.org/a.png") }')
    (tmp_path / 'a.js').write_text('import x from "https://example.org/x.js"; // https://a.b')
    assert len(loads_from_elsewhere(tmp_path)) == 2


def test_no_page_needs_a_program_of_another_server_to_be_drawn(tmp_path):
    pages.write_pages(ROOT, tmp_path)
    for page in tmp_path.rglob('*.md'):
        assert '```mermaid' not in page.read_text(encoding='utf-8'), page
    assert loads_from_elsewhere(tmp_path) == []  # pictures


def test_the_names_in_the_picture_of_the_nodes_exist():
    picture = (ROOT / 'docs' / 'nodes.svg').read_text(encoding='utf-8')
    text = ' '.join(re.findall(r'<text[^>]*>([^<]*)</text>', picture))
    known = {
        name
        for rights in interfaces_page.RIGHTS.values()
        for field in ('publish', 'subscribe', 'serve', 'call')
        for name in getattr(rights, field)
    }
    named = set(re.findall(r'\b(?:hilserl|driver|kinematics|wrist_camera)/\w+', text))
    assert len(named) >= 10 and named <= known
    for node in (
        'camera',
        'driver',
        'kinematics',
        'actor',
        'operator',
        'learner',
        'world',
        'console',
    ):
        assert node in interfaces_page.RIGHTS and node in text


FILES = (ROOT / 'docs' / 'files.md').read_text(encoding='utf-8')
ROWS = re.findall(r'^\| `([^|]+)` \|.*\| `(\w+/[\w/]+\.py)` \|$', FILES, re.M)


@pytest.mark.parametrize('named, module', ROWS)
def test_each_file_on_the_files_page_has_its_name_in_the_module_beside_it(named, module):
    (source,) = ROOT.glob(f'src/*/{module}')
    text = source.read_text(encoding='utf-8')
    parts = [
        word
        for path in re.split(r'`, `', named)
        for part in path.split('/')
        for word in re.split(r'[A-Z]{2,}', part)
        if word
    ]
    known = [word for word in parts if word in text]
    assert known and known[-1] == parts[-1], (parts, known)


def test_the_files_page_has_rows():
    assert len(ROWS) > 14
