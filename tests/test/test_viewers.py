"""The layout for Foxglove and the configuration of rviz show topics and fields that exist."""

import importlib
import json
import re

import pytest
import yaml

from hilserl_tests.interfaces_page import interfaces
from hilserl_tests.source_tree import source_root
from so101_node import names

VIEWERS = source_root() / 'src/so101_description/so101_description'
MODELS = {f'{arm}robot_description' for arm in ('', 'leader/', 'reference/')}  # of view.launch.py


def topics():
    """Return topic -> type of every topic of a cell."""
    found = {}
    for each in interfaces()[0]:
        for arm in names.ARMS:
            parts = {'arm': arm, 'camera': names.WRIST_CAMERA, 'node': 'driver', 'session': 's'}
            found[each.name.format(**parts)] = each.kind
    return found


def panels(layout):
    """Return the panels that a layout's tree names."""
    if isinstance(layout, str):
        return {layout}
    return panels(layout['first']) | panels(layout['second'])


def test_the_layout_for_foxglove_names_topics_and_fields_that_exist():
    layout = json.loads((VIEWERS / 'foxglove/so101.json').read_text())
    assert panels(layout['layout']) == set(layout['configById'])
    text, known = json.dumps(layout), topics()
    named = set(re.findall(r'"/([a-z_/]+)"', text))
    assert named - set(known) - {'diagnostics'} == MODELS
    paths = re.findall(r'"/([a-z_/]+)\.([a-z0-9_]+)(?:\[:\])?"', text)
    assert len(paths) >= 8
    for topic, field in paths:
        package, message = known[topic].split('/')
        kind = getattr(importlib.import_module(f'{package}.msg'), message)
        assert field in kind.get_fields_and_field_types(), (topic, field)


def test_the_configuration_of_rviz_shows_the_same_topics():
    config = yaml.safe_load((VIEWERS / 'rviz/so101.rviz').read_text())
    shown = set()
    for display in config['Visualization Manager']['Displays']:
        for key, value in display.items():
            if 'Topic' in key and isinstance(value, dict):
                shown.add(value['Value'])
    assert {*MODELS, names.IMAGE.format(camera=names.WRIST_CAMERA)} <= shown
    assert shown - MODELS <= set(topics())


@pytest.mark.parametrize('path', ['foxglove/so101.json', 'rviz/so101.rviz'])
def test_the_files_are_installed(path):
    setup = (source_root() / 'src/so101_description/setup.py').read_text()
    assert path in setup
