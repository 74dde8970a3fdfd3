"""The rosdep keys of the manifests exist, by a list that is kept here (rosdep is not asked)."""

from hilserl_tests.rosdep_keys import DISTRIBUTIONS, keys, known, looked_up

# What a distribution of another kind may lack is said in docs/ros.md.
EVERYWHERE = ', '.join(DISTRIBUTIONS)


def test_every_key_of_a_manifest_brings_a_package_in_each_distribution():
    assert keys() == set(known()), 'run python -m hilserl_tests.rosdep_keys CHECKOUT'
    lacking = {
        key: brought
        for key, brought in known().items()
        if brought != EVERYWHERE and not brought.startswith(('apt ', 'pip '))
    }
    assert not lacking


def test_a_key_that_does_not_exist_or_brings_nothing_is_left_out_of_the_list(tmp_path):
    (tmp_path / 'rosdep').mkdir()
    (tmp_path / 'rosdep' / 'base.yaml').write_text('cmake: {ubuntu: [cmake]}\n')
    (tmp_path / 'rosdep' / 'python.yaml').write_text(
        """
python3-old: {ubuntu: {'*': [python3-old], resolute: null}}
python3-pip-one: {ubuntu: {pip: {packages: [one]}}}
python3-any: {'*': {pip: {packages: [any]}}}
python3-by-release: {ubuntu: {noble: [a], resolute: [a]}}
python3-fedora: {fedora: [python3-fedora]}
"""
    )
    for name in DISTRIBUTIONS:
        (tmp_path / name).mkdir()
        (tmp_path / name / 'distribution.yaml').write_text(
            'repositories:\n'
            '  common: {release: {packages: [std_msgs, nav_msgs]}}\n'
            '  alone: {release: {}}\n'
            '  source_only: {source: {}}\n'
        )
    wanted = (
        'cmake python3-old python3-pip-one python3-any python3-by-release python3-fedora '
        'std_msgs alone source_only missing'
    )
    assert looked_up(tmp_path, wanted.split()) == {
        'alone': EVERYWHERE,
        'cmake': 'apt cmake',
        'python3-any': 'pip any',
        'python3-by-release': 'apt a',
        'python3-pip-one': 'pip one',
        'std_msgs': EVERYWHERE,
    }
