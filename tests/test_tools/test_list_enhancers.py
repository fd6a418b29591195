"""tools/list_enhancers.py and the Markdown helpers."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from llv.apis import registered_enhancers
from llv.models.enhancers.published import PUBLISHED
from llv.utils.markdown import markdown_table, write_between_markers

TOOL = Path(__file__).parents[2] / 'tools' / 'list_enhancers.py'


@pytest.fixture
def listing(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location('tool_list_enhancers', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['list_enhancers.py', *map(str, arguments)])
        status = 0
        try:
            module.main()
        except SystemExit as leaving:
            status = leaving.code
        return status, *capsys.readouterr()

    return call


def test_json_holds_every_enhancer_with_its_size_and_weights(listing, tmp_path):
    file = tmp_path / 'new' / 'enhancers.json'
    status, out, _ = listing('--json', file, '--size', '40x60')
    assert status == 0 and '`PSENet`' in out and ':func:' not in out
    rows = {row['name']: row for row in json.loads(file.read_text())['enhancers']}
    # tests may register enhancers of their own
    assert {name.removeprefix('llv.') for name in registered_enhancers()} == set(rows)
    ruas = rows['RUAS']
    assert ruas['parameters'] == 1161
    assert ruas['macs'] == (1161 - 54) * 40 * 60  # without the biases
    assert ruas['receptive_field'] == 19
    names = {entry['name'] for row in rows.values() for entry in row['weights']}
    assert names == {row.name for row in PUBLISHED.values() if row.enhancer in rows}
    assert all(
        entry['licence'] and entry['input_range']
        for row in rows.values()
        for entry in row['weights']
    )


def test_the_tables_go_between_the_markers_of_a_page(listing, tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(
        'before\n\n<!-- begin enhancers -->\nOUTDATED\n<!-- end enhancers -->\n\nafter\n'
    )
    status, _, _ = listing('ruas', 'Identity', '--write', page, '--size', '8x8')
    text = page.read_text()
    assert status == 0 and 'OUTDATED' not in text
    assert text.startswith('before\n') and text.endswith('\nafter\n')
    assert '`Identity`' in text and '`PSENet`' not in text
    assert '`RUAS`' in text and '1,161' in text and '`ruas-lol`' in text
    assert '| 19 pixels |' in text and '| 1 pixel   |' in text
    listing('ruas', 'Identity', '--write', page, '--size', '8x8')
    assert page.read_text() == text


def test_a_wrong_size_is_told(listing):
    status, _, err = listing('--size', '40x')
    assert status == 2 and 'must be HEIGHTxWIDTH' in err


@pytest.mark.parametrize('tool', ['list_enhancers', 'analysis_tools/benchmark_enhancers'])
def test_a_page_without_markers_is_told_before_anything_is_measured(tmp_path, call_tool, tool):
    page = tmp_path / 'page.md'
    page.write_text('no marks')
    names = ['ruas'] if tool == 'list_enhancers' else ['--enhancers', 'no_such']
    status, error = call_tool(tool, *names, '--write', page)
    assert status == 2 and f'`{page}` must hold the lines' in error
    assert page.read_text() == 'no marks'


@pytest.mark.parametrize(
    'page', ['nothing', '<!-- end x --><!-- begin x -->', '<!-- begin x --><!-- end x -->' * 2]
)
def test_a_page_without_one_pair_of_markers_is_left_alone(tmp_path, page):
    path = tmp_path / 'page.md'
    path.write_text(page)
    with pytest.raises(ValueError, match='must hold the lines'):
        write_between_markers(path, 'x', 'text')
    assert path.read_text() == page


def test_bars_in_cells_do_not_make_columns():
    head, line, row = markdown_table([dict(a='x|y', b='1')]).splitlines()
    assert row == r'| x\|y | 1   |'
    assert len({len(head), len(line), len(row)}) == 1


def test_a_page_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match='is not there'):
        write_between_markers(tmp_path / 'nowhere.md', 'x', 'text')
