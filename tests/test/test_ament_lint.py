"""The linters of ROS 2 on every Python package, where a distribution brings them."""

from importlib import import_module

import pytest

from hilserl_tests.source_tree import source_root

PACKAGES = [str(file.parent) for file in sorted(source_root().glob('**/setup.py'))]
# pydocstyle's rules as pyproject.toml has them for ruff
PEP257 = ['--add-ignore', 'D105', 'D107', 'D401', '--exclude', '*/test/*', '--']
ARGUMENTS = {
    'flake8': ['--config', str(source_root() / 'ament_flake8.ini'), *PACKAGES],
    'pep257': [*PEP257, *PACKAGES],
    'xmllint': PACKAGES,
}


def _main(linter):
    module = f'ament_{linter}.main'
    try:
        return import_module(module)
    except ModuleNotFoundError:
        pytest.skip(f'{module} comes with a ROS distribution; PyPI has no wheel of it')


@pytest.mark.linter
@pytest.mark.flake8
def test_flake8():
    code, errors = _main('flake8').main_with_errors(argv=ARGUMENTS['flake8'])
    assert code == 0, '\n'.join(errors)


@pytest.mark.linter
@pytest.mark.parametrize('linter', ['pep257', 'xmllint'])
def test_linter(linter):
    assert _main(linter).main(argv=ARGUMENTS[linter]) == 0


@pytest.mark.linter
@pytest.mark.copyright
def test_copyright():
    """The licence stands once, in LICENSE, and by name in every package.xml: no header a file."""
    pytest.skip('source files carry no copyright header; ament_copyright checks only headers')
