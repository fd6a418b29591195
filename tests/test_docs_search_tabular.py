"""The page on the tabular benchmark: its tables are those of its files."""

import importlib.util

from docs_commands import ROOT

from llv.benchmark.tabular.network import all_genotypes
from llv.benchmark.tabular.study import read_study
from llv.benchmark.tabular.table import interaction_share, read_table

PAGE = ROOT / 'docs' / 'search_tabular.md'
FOLDER = ROOT / 'docs' / 'search_tabular'


def test_results_of_the_page_are_those_of_the_files(tmp_path, monkeypatch):
    file = ROOT / 'tools' / 'analysis_tools' / 'tabular_search.py'
    spec = importlib.util.spec_from_file_location('tabular_search', file)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    again = tmp_path / 'page.md'
    again.write_text(PAGE.read_text(encoding='utf-8'), encoding='utf-8')
    tool.report(FOLDER, again)
    assert again.read_text(encoding='utf-8') == PAGE.read_text(encoding='utf-8')


def test_the_control_has_no_interaction_and_the_other_task_has():
    shares = {
        task: interaction_share(read_table(FOLDER / f'table_{task}.json').losses())
        for task in ('interaction', 'control')
    }
    assert shares['control'][0] < 1e-8
    assert shares['interaction'][0] > 0.1


def test_what_the_searches_found_is_in_the_table():
    for task in ('interaction', 'control'):
        files = list(FOLDER.glob(f'searches_{task}*.json'))
        assert files
        for file in files:
            study = read_study(file)
            assert study.task == task
            for method in study.runs:
                assert set(study.genotypes(method)) <= set(all_genotypes())
