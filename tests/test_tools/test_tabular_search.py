import json

import pytest

from llv.benchmark.tabular.network import all_genotypes
from llv.benchmark.tabular.study import SETTINGS as SEARCH
from llv.benchmark.tabular.study import Study, read_study, write_study
from llv.benchmark.tabular.table import Table, read_table, write_table
from llv.benchmark.tabular.training import SETTINGS, train_network

TOOL = 'analysis_tools/tabular_search'


def almost_whole(file):
    """A table that lacks the last network."""
    table = Table('control', {**SETTINGS, 'steps': 1})
    for index, genotype in enumerate(all_genotypes()[:-1]):
        table.add(genotype, 0, dict(task=1.0 + index, scene=0.0, valid=0.0))
    write_table(file, table)


def test_a_table_is_finished_and_its_entries_stay(tmp_path, call_tool):
    file = tmp_path / 'table_control.json'
    almost_whole(file)
    arguments = ['table', 'control', '--seed-count', 1, '--steps', 1, '--work-dir', tmp_path]
    assert call_tool(TOOL, *arguments)[0] == 0
    table = read_table(file)
    assert table.seeds() == [0] and table.loss(all_genotypes()[5]) == 6
    last = all_genotypes()[-1]
    wanted = train_network('control', last, 0, steps=1)['task']
    assert table.loss(last) == pytest.approx(wanted, abs=1e-6)

    status, error = call_tool(TOOL, *arguments[:-4], '--steps', 2, '--work-dir', tmp_path)
    assert status == 2 and 'give another `--work-dir`' in error and 'Traceback' not in error


def test_searches_go_on_and_are_reported(tmp_path, call_tool, capsys):
    for task in ('interaction', 'control'):
        table = Table(task, SETTINGS)
        for genotype in all_genotypes():
            table.add(genotype, 0, dict(task=len(set(genotype)), scene=0.0, valid=0.0))
        write_table(tmp_path / f'table_{task}.json', table)
    file = tmp_path / 'searches_control.json'
    study = Study('control', {**SEARCH, 'iters': 1})
    study.add('cooperative', 0, all_genotypes()[7])
    write_study(file, study)
    arguments = ['--seed-count', 1, '--steps', 1, '--work-dir', tmp_path]
    methods = ['--methods', 'cooperative', 'beta=0', 'random']
    status, error = call_tool(TOOL, 'search', 'control', *arguments, *methods)
    assert status == 0, error
    study = read_study(file)
    assert study.genotypes('cooperative') == [all_genotypes()[7]]
    assert len(study.genotypes('beta=0')) == len(study.genotypes('random')) == 1
    assert not study.genotypes('global') and json.loads(file.read_text())['settings']['iters'] == 1

    named = ['--name', 'longer', '--weight-decay', 0.5, '--methods', 'cooperative']
    status, error = call_tool(TOOL, 'search', 'control', *arguments, *named)
    assert status == 0, error
    second = read_study(tmp_path / 'searches_control_longer.json')
    assert second.settings == {**SEARCH, 'iters': 1, 'weight_decay': 0.5}
    assert len(second.genotypes('cooperative')) == 1

    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- begin results -->\n<!-- end results -->\nbehind\n')
    assert call_tool(TOOL, 'report', '--write', page, '--work-dir', tmp_path)[0] == 0
    text = page.read_text()
    assert text.startswith('before') and text.endswith('behind\n')
    assert '### interaction' in text and '### control' in text and '| beta=0' in text
    assert text.index('its decay 0.0') < text.index('its decay 0.5')


def test_user_errors_are_one_sentence(tmp_path, call_tool):
    cases = [
        (['table', 'control', '--seed-count', 0], '--seed-count: must be a whole number from 1'),
        (['search', 'control', '--weight-decay', -1], '--weight-decay: must be a number from 0'),
        (['search', 'control', '--methods', 'best'], '`--methods` must be of cooperative'),
        (['report'], 'table_interaction.json'),
        (['report', '--write', tmp_path / 'gone.md'], 'gone.md'),
    ]
    for arguments, message in cases:
        status, error = call_tool(TOOL, *arguments, '--work-dir', tmp_path)
        assert status == 2 and message in error and 'Traceback' not in error, (arguments, error)
