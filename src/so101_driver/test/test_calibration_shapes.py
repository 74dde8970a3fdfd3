"""Calibration files of all shapes: each is accepted, accepted with a warning, or refused."""

from pathlib import Path

from driver_support.calibration_shapes import ACCEPTED, REFUSED, SHAPES, WARNED, markdown
import pytest

from so101_driver.calibration import load_calibration
from so101_driver.calibration_warnings import doubtful_zeros
from so101_node.errors import CellError

DOCUMENT = Path(__file__).resolve().parents[3] / 'docs' / 'hardware.md'
LONGEST = 1000  # characters of a sentence, whatever the file holds


@pytest.mark.parametrize('shape', SHAPES, ids=[shape.name for shape in SHAPES])
def test_a_file_of_this_shape_has_its_outcome(tmp_path, shape):
    path = tmp_path / 'arm.json'
    path.write_bytes(shape.data)
    try:
        doubts = doubtful_zeros(load_calibration(str(path)))
        said = '; '.join(doubt.sentence(str(path)) for doubt in doubts)
        outcome = WARNED if doubts else ACCEPTED
    except CellError as error:
        said, outcome = str(error), REFUSED
    assert outcome == shape.outcome, said
    assert shape.words in said and len(said) < LONGEST
    assert outcome == ACCEPTED or str(path) in said


def test_the_document_has_the_table_of_all_shapes():
    assert markdown() in DOCUMENT.read_text(encoding='utf-8'), markdown()
