"""A policy of LeRobot is found where LeRobot puts it; its digest is that of its files."""

import json

import pytest

from hilserl_core.policy.other_program import digest_of, directory_of, is_other, label_of
from so101_node.errors import CellError


def write(directory):
    directory.mkdir(parents=True)
    (directory / 'config.json').write_text(json.dumps({'type': 'act'}))
    (directory / 'model.safetensors').write_bytes(b'weights')
    return directory


@pytest.mark.parametrize('inner', ['', 'pretrained_model', 'checkpoints/last/pretrained_model'])
def test_the_directory_of_a_checkpoint_or_of_a_training_is_found(tmp_path, inner):
    directory = write(tmp_path / 'act' / inner)
    assert directory_of(f'lerobot:{tmp_path}/act') == directory
    assert is_other(f'lerobot:{tmp_path}') and not is_other('policy.safetensors')
    assert label_of(directory) == {'': 'act', 'pretrained_model': 'act'}.get(inner, 'last')


def test_what_is_no_policy_is_named(tmp_path):
    with pytest.raises(CellError, match='is no policy of LeRobot'):
        directory_of(f'lerobot:{tmp_path}')
    write(tmp_path / 'act')
    (tmp_path / 'act' / 'model.safetensors').unlink()
    with pytest.raises(CellError, match='model.safetensors cannot be read'):
        directory_of(f'lerobot:{tmp_path}/act')


def test_the_digest_changes_with_weights_configuration_and_normalisation_only(tmp_path):
    directory = write(tmp_path / 'act')
    seen = [digest_of(directory)]
    (directory / 'train_config.json').write_text('{}')
    assert digest_of(directory) == seen[0]
    for name in ('policy_preprocessor.json', 'config.json', 'model.safetensors'):
        (directory / name).write_text('other')
        seen.append(digest_of(directory))
    assert len(set(seen)) == 4
