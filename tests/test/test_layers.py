"""The layers of imports, as pyproject.toml has them, and what a wing gives to others."""

from importlib import import_module
import os
from pathlib import Path
import subprocess
import sys

import grimp
from importlinter.api import read_configuration
from importlinter.cli import lint_imports
import pytest

from hilserl_tests.source_tree import source_root
from hilserl_tests.verb.lint import CHECKS

PYPROJECT = source_root() / 'pyproject.toml'
CONFIGURATION = read_configuration(str(PYPROJECT))
CONTRACTS = [contract['id'] for contract in CONFIGURATION['contracts_options']]
WINGS = sorted(
    f'{init.parts[-3]}.{init.parts[-2]}'
    for package in ('hilserl_core', 'hilserl_learner', 'hilserl_actor')
    for init in source_root().glob(f'src/{package}/{package}/*/__init__.py')
)


@pytest.fixture(scope='module')
def graph():
    packages = CONFIGURATION['session_options']['root_packages']
    return grimp.build_graph(*packages, cache_dir=None)


def test_the_check_of_lint_reads_every_contract():
    done = subprocess.run(
        [sys.executable, *CHECKS['import layers']],
        cwd=source_root(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and f'Contracts: {len(CONTRACTS)} kept, 0 broken.' in done.stdout


@pytest.mark.parametrize('contract', CONTRACTS)
def test_the_contract_holds(contract, capsys):
    ended = lint_imports(str(PYPROJECT), (contract,), no_cache=True, no_logo=True)
    assert ended == 0, capsys.readouterr().out


@pytest.mark.parametrize('wing', WINGS)
def test_a_wing_lists_what_others_import_from_it(wing, graph):
    given = set(getattr(import_module(wing), '__all__', ()))
    inside = {wing, *graph.find_descendants(wing)}
    taken = {
        module.removeprefix(f'{wing}.').partition('.')[0]: importer
        for module in inside
        for importer in graph.find_modules_that_directly_import(module)
        if importer not in inside
    }
    missing = {name: importer for name, importer in taken.items() if name not in given}
    assert not missing, f'{wing}/__init__.py: __all__ lacks what others import'
    assert given <= {module.removeprefix(f'{wing}.') for module in inside}


def test_few_modules_lie_outside_the_wings():
    for package in ('hilserl_learner', 'hilserl_actor'):
        folder = source_root() / 'src' / package / package
        assert len(list(folder.glob('*.py'))) <= 10


@pytest.mark.slow
def test_no_test_imports_a_test_module():
    """Code that tests share belongs in a support module of the package."""
    files = [*source_root().glob('src/*/test/*.py'), *source_root().glob('tests/test/*.py')]
    tests = {file.stem for file in files if file.stem.startswith(('test_', 'conftest'))}
    found = [
        f'{os.path.relpath(file, source_root())} imports {module}'
        for file in files
        for module in _imports(file)
        if module in tests
    ]
    assert not found


def _imports(file: Path) -> set[str]:
    import ast

    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names
