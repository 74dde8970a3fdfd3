"""The rows of docs/results/remote.json, and their table in docs/remote.md."""

import pytest

from hilserl_tests.source_tree import source_root
from published import remote_rows
from so101_node.errors import CellError

DOCS = source_root() / 'docs'


def test_no_step_was_lost_in_any_published_condition_and_all_were_encrypted():
    rows = remote_rows.read(DOCS / 'results' / 'remote.json')
    assert {row.cut_s for row in rows} >= {0.0, 5.0, 60.0}
    assert {(row.delay_ms, row.loss_percent) for row in rows} >= {
        (delay, loss) for delay in (5.0, 50.0, 150.0) for loss in (1.0, 5.0)
    }
    for row in rows:
        assert row.encrypted and row.steps_sent > 0 and row.steps_lost == 0


def test_the_page_has_the_table_of_the_data():
    table = remote_rows.markdown(remote_rows.read(DOCS / 'results' / 'remote.json'))
    page = (DOCS / 'remote.md').read_text(encoding='utf-8')
    assert f'<!-- remote -->\n{table}\n<!-- end -->' in page, 'run ./cell bench results'


def test_a_row_measured_again_replaces_its_own_and_a_damaged_one_is_one_sentence(tmp_path):
    first, *_ = remote_rows.read(DOCS / 'results' / 'remote.json')
    file = tmp_path / 'remote.json'
    remote_rows.add(file, [first])
    remote_rows.add(file, [first])
    assert remote_rows.read(file) == [first]
    file.write_text(file.read_text().replace('"steps_lost":0', '"steps_lost":"none"'))
    with pytest.raises(CellError, match='steps_lost'):
        remote_rows.read(file)
