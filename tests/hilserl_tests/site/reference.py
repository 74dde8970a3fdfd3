"""Reference pages from the code: the commands' help, and the Python API from docstrings.

The API is what a package offers to others: the modules that the `__init__.__all__` of a wing or of
the package names, and of a package with neither, the modules that another package imports. No
module is imported.
"""

import ast
from collections.abc import Iterator
import os
from pathlib import Path

from so101_node import verb

PACKAGES = (
    'so101_node', 'so101_description', 'so101_driver', 'so101_sim', 'hilserl_core',
    'hilserl_learner', 'hilserl_actor', 'hilserl_sim', 'hilserl_lerobot',
)  # fmt: skip
CELL_COMMANDS = ('train', 'record', 'eval', 'preflight')


def commands_page() -> str:
    """Every `./cell VERB --help` in Markdown."""
    os.environ['COLUMNS'] = '90'  # argparse reads it
    parts = ['# Commands\n\nWhat `./cell VERB --help` prints.\n']
    for name in verb.verbs():
        parser = verb.parser_of(name)
        if name in CELL_COMMANDS:  # their epilog is docs/options.md
            parser.epilog = 'docs/options.md lists every option.'
        parts.append(f'\n## {name}\n```\n{parser.format_help().rstrip()}\n```\n')
    return ''.join(parts)


def api_pages(root: Path) -> dict[str, str]:
    """The Python API: package -> page in Markdown."""
    return {package: _package_page(root, package) for package in PACKAGES}


def modules_of(root: Path, package: str) -> list[str]:
    """The dotted names of the modules that a package offers to others."""
    top = _source(root, package)
    wings = [
        f'{package}.{init.parent.name}.{module}'
        for init in sorted(top.glob('*/__init__.py'))
        for module in _all_of(init)
    ]
    wings += [f'{package}.{module}' for module in _all_of(top / '__init__.py')]
    return wings or sorted(_imported_by_others(root, package))


def _source(root: Path, package: str) -> Path:
    return root / 'src' / package / package


def _all_of(init: Path) -> list[str]:
    for node in ast.parse(init.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


def _imported_by_others(root: Path, package: str) -> set[str]:
    found = set()
    top = _source(root, package)
    files = [*root.glob('src/*/*/**/*.py'), *root.glob('bench/*.py'), *root.glob('docs/*.py')]
    for file in files:
        if top in file.parents or 'test' in file.relative_to(root).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.ImportFrom) or node.level:
                continue
            candidates = [node.module or '', *(f'{node.module}.{n.name}' for n in node.names)]
            found |= {
                name
                for name in candidates
                if name.startswith(f'{package}.')
                and (top.parent / (name.replace('.', '/') + '.py')).exists()
            }
    return found


def _package_page(root: Path, package: str) -> str:
    parts = [f'# {package}\n\n{_docstring(_source(root, package) / "__init__.py")}\n']
    for name in modules_of(root, package):
        file = _source(root, package).parent / (name.replace('.', '/') + '.py')
        parts.append(f'\n## {name}\n\n{_docstring(file)}\n')
        parts += _members(ast.parse(file.read_text(encoding='utf-8')).body, 3)
    return ''.join(parts)


def _docstring(file: Path) -> str:
    return _prose(ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or '')


def _prose(text: str) -> str:
    """A docstring as Markdown: its line breaks and its own layout stay."""
    return f'```text\n{text}\n```' if text else ''


def _members(body: list[ast.stmt], level: int) -> Iterator[str]:
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith('_'):
            continue
        yield f'\n{"#" * level} {node.name}\n```python\n{_signature(node)}\n```\n'
        yield _prose(ast.get_docstring(node) or '') + '\n'
        if isinstance(node, ast.ClassDef):
            yield from _members(node.body, level + 1)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        fields = [
            f'    {ast.unparse(each)}'
            for each in node.body
            if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith('_')
        ]
        bases = ', '.join(map(ast.unparse, node.bases))
        return '\n'.join(
            [f'class {node.name}({bases}):' if bases else f'class {node.name}:'] + fields
        )
    result = f' -> {ast.unparse(node.returns)}' if node.returns else ''
    decorators = [f'@{ast.unparse(each)}\n' for each in node.decorator_list]
    return f'{"".join(decorators)}def {node.name}({ast.unparse(node.args)}){result}'
