"""The tabular benchmark of searches: its tasks, its networks, its table and the searches on it."""

import itertools
import json

import numpy as np
import pytest
import torch

from llv.benchmark.tabular import study as study_module
from llv.benchmark.tabular.network import TabularNetwork, all_genotypes
from llv.benchmark.tabular.report import report_text
from llv.benchmark.tabular.study import METHODS, Study, read_study, search, write_study
from llv.benchmark.tabular.table import Table, interaction_share, read_table, write_table
from llv.benchmark.tabular.tasks import make_scenes, stacked
from llv.benchmark.tabular.training import train_network

ONE, THREE, WIDE = 'conv_1x1', 'conv_3x3', 'dilconv_3x3'
SETTINGS = dict(steps=1, batch_size=16, lr=0.02)


def table_of(value, seeds=1):
    """A table whose task loss is `value(network, seed)`; a network is four numbers from 0 to 2."""
    table = Table('interaction', SETTINGS)
    numbers = itertools.product(range(3), repeat=4)
    for genotype, network in zip(all_genotypes(), numbers, strict=True):
        for seed in range(seeds):
            losses = dict(task=float(value(network, seed)), scene=1.0, valid=2.0)
            table.add(genotype, seed, losses)
    return table


def width_of(module):
    """Over how many pixels a module of pictures looks."""
    x = torch.randn(1, 3, 25, 25, requires_grad=True)
    module(x)[0, :, 12, 12].sum().backward()
    columns = x.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    return int(columns.max() - columns.min()) + 1


def test_light_varies_over_nine_pixels():
    scenes = make_scenes('train')
    assert torch.allclose(scenes.pictures, scenes.even * scenes.log_light.exp(), rtol=1e-4)
    light = scenes.log_light[:, 0]

    def correlation(values, lag):
        return float((values[..., lag:] * values[..., : values.shape[-1] - lag]).mean())

    assert correlation(light, 1) > 0.9 * correlation(light, 0)
    assert abs(correlation(light, 17)) < 0.1 * correlation(light, 0)  # two boxes of nine have ended
    assert correlation(light, 5) < 0.7 * correlation(light, 0)
    assert set(scenes.material.unique().tolist()) == {-1.0, 1.0}


def test_splits_have_pictures_of_their_own():
    first = {split: make_scenes(split).pictures[:128] for split in ('train', 'valid', 'test')}
    for one, other in itertools.combinations(first.values(), 2):
        assert not torch.isclose(one, other).all(dim=(1, 2, 3)).any()
    again = make_scenes.__wrapped__('valid').pictures
    assert torch.equal(again, first['valid'])


@pytest.mark.parametrize(
    ('edges', 'width'), [((ONE, ONE), 1), ((ONE, THREE), 3), ((THREE, WIDE), 7), ((WIDE, WIDE), 9)]
)
def test_each_module_sees_what_its_edges_see(edges, width):
    network = TabularNetwork('interaction', (*edges, ONE, ONE))
    assert width_of(network.scene) == width and width_of(network.see) == 1
    network = TabularNetwork('interaction', (ONE, ONE, *edges))
    assert width_of(network.see) == width


def test_weights_of_a_module_do_not_depend_on_the_edges_of_the_other():
    one = TabularNetwork('control', (THREE, ONE, ONE, ONE), seed=3)
    other = TabularNetwork('control', (THREE, ONE, WIDE, THREE), seed=3)
    for a, b in zip(one.scene.parameters(), other.scene.parameters(), strict=True):
        assert torch.equal(a, b)
    third = TabularNetwork('control', (ONE, ONE, WIDE, THREE), seed=3)
    for a, b in zip(other.task.parameters(), third.task.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_control_is_a_sum_of_a_scene_and_a_task_term_and_the_other_task_is_not():
    pairs = [(ONE, ONE), (WIDE, WIDE)]

    def mixed_difference(task):
        losses = [
            train_network(task, (*scene, *edges), seed=1, steps=4)['task']
            for scene in pairs
            for edges in pairs
        ]
        return abs(losses[0] - losses[1] - losses[2] + losses[3])

    assert mixed_difference('control') < 1e-6
    assert mixed_difference('interaction') > 1e-3


def test_the_task_loss_is_kept_from_the_scene_module():
    one = train_network('interaction', (THREE, ONE, ONE, ONE), seed=0, steps=3)
    other = train_network('interaction', (THREE, ONE, WIDE, WIDE), seed=0, steps=3)
    assert one['scene'] == other['scene'] and one['task'] != other['task']

    inputs, targets = (value[:2] for value in stacked(make_scenes('train')))
    network = TabularNetwork('interaction')
    network.losses(inputs, targets)['loss_task'].backward()  # in a search it comes through
    assert network.scene.architecture.arch_alpha.grad.abs().max() > 0


def test_training_is_reproducible_and_learns():
    genotype = (WIDE, WIDE, THREE, ONE)
    short = train_network('interaction', genotype, seed=0, steps=2)
    assert short == train_network('interaction', genotype, seed=0, steps=2)
    long = train_network('interaction', genotype, seed=0, steps=60)
    assert long['task'] < min(1.0, short['task']) and long['scene'] < short['scene']


def test_the_table_knows_the_best_network_and_regrets(tmp_path):
    table = table_of(lambda network, seed: 1 + sum(abs(n - 1) for n in network) + 0.5 * seed, 3)
    assert table.best() == ((THREE,) * 4, 1.5)
    assert table.regret((ONE, THREE, WIDE, THREE)) == pytest.approx(2)
    assert table.loss((ONE,) * 4, 'valid') == 2
    file = tmp_path / 'new' / 'table.json'
    write_table(file, table)
    again = read_table(file)
    assert again.entries == table.entries and again.settings == SETTINGS
    assert again.seeds() == [0, 1, 2] and not again.missing(range(3))
    assert [path.name for path in file.parent.iterdir()] == ['table.json']


def test_only_seeds_that_all_networks_have_count():
    table = table_of(lambda network, seed: sum(network) + 10 * seed, seeds=2)
    del table.entries[' '.join((ONE, ONE, ONE, WIDE))]['1']
    assert table.seeds() == [0] and table.missing(range(2)) == [((ONE, ONE, ONE, WIDE), 1)]
    assert table.loss((THREE,) * 4) == 4
    del table.entries[' '.join((ONE, ONE, ONE, WIDE))]
    with pytest.raises(ValueError, match='lacks 1 of 81'):
        table.loss((THREE,) * 4)


def test_the_share_of_interaction_is_that_of_the_analysis_of_variance():
    additive = table_of(lambda network, seed: network[0] ** 2 + network[1] * 3 - network[3])
    assert interaction_share(additive.losses())[0] == pytest.approx(0, abs=1e-12)
    crossed = table_of(lambda network, seed: (network[0] - 1) * (network[2] - 1))
    assert interaction_share(crossed.losses())[0] == pytest.approx(1)
    # both: variances of independent terms add
    both = table_of(lambda n, seed: 2 * (n[1] - 1) + (n[0] - 1) * (n[2] - 1))
    parts = np.var([-2, 0, 2]), np.var([a * b for a in (-1, 0, 1) for b in (-1, 0, 1)])
    assert interaction_share(both.losses())[0] == pytest.approx(parts[1] / sum(parts))


def test_the_noise_of_seeds_is_told_from_interaction():
    generator = np.random.default_rng(0)
    scenes = generator.normal(size=(1, 9, 1))
    shares = np.array(
        [interaction_share(scenes + generator.normal(size=(3, 9, 9))) for _ in range(200)]
    )
    assert shares[:, 0].mean() == pytest.approx(shares[:, 1].mean(), rel=0.05)


def test_bad_input_is_told_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='`task` must be one of interaction, control'):
        train_network('both', (ONE,) * 4, 0)
    with pytest.raises(ValueError, match='`method` must be one of cooperative'):
        search('control', 'best', 0)
    table = table_of(lambda network, seed: 0)
    with pytest.raises(ValueError, match='must name one of conv_1x1, conv_3x3, dilconv_3x3'):
        table.regret((ONE, ONE, ONE, 'conv_5x5'))
    with pytest.raises(FileNotFoundError, match='no table of a search benchmark'):
        read_table(tmp_path / 'gone.json')
    file = tmp_path / 'table.json'
    write_table(file, table)
    good = json.loads(file.read_text())
    for change, message in (
        (dict(llv_search_table=2), 'format 1'),
        (dict(space_version=9), 'space `tabular` 9'),
        (dict(entries={'conv_1x1': {}}), 'no network of the space'),
        (dict(entries={' '.join((ONE,) * 4): {'0': {'task': 1}}}), 'not the losses'),
    ):
        file.write_text(json.dumps({**good, **change}))
        with pytest.raises(ValueError, match=message):
            read_table(file)
    file.write_text('{')
    with pytest.raises(ValueError, match='no readable JSON'):
        read_table(file)


@pytest.mark.parametrize('method', ['cooperative', 'global', 'independent', 'beta=0'])
def test_a_search_ends_with_a_network_of_the_table_the_same_again(method):
    found = [search('control', method, 4, iters=2, batch_size=2) for _ in range(2)]
    assert found[0] in all_genotypes() and found[0] == found[1]


def test_a_scene_module_that_is_judged_by_its_own_loss_does_not_hear_of_the_task(monkeypatch):
    found = {}

    class Kept(TabularNetwork):
        def __init__(self, task, seed):
            super().__init__(task, seed=seed)
            found[task, method] = self

    monkeypatch.setattr(study_module, 'TabularNetwork', Kept)
    for method, task in itertools.product(('beta=0', 'cooperative'), ('interaction', 'control')):
        search(task, method, 0, iters=3, batch_size=2)
    alpha = {key: model.scene.architecture.arch_alpha.detach() for key, model in found.items()}
    assert torch.equal(alpha['interaction', 'beta=0'], alpha['control', 'beta=0'])
    assert not torch.equal(alpha['interaction', 'cooperative'], alpha['control', 'cooperative'])


def test_the_report_has_the_regret_of_each_method(tmp_path):
    table = table_of(lambda network, seed: sum(network))
    study = Study('interaction', {})
    study.add('cooperative', 0, (ONE, ONE, ONE, THREE))
    study.add('cooperative', 1, (WIDE, ONE, ONE, THREE))
    study.add('random', 0, search('interaction', 'random', 0))
    write_study(tmp_path / 'study.json', study)
    study = read_study(tmp_path / 'study.json')
    text = report_text(table, study)
    row = next(line for line in text.splitlines() if line.startswith('| cooperative'))
    assert [cell.strip() for cell in row.split('|')[2:6]] == [
        '2',
        '2.0000 ± 1.0000',
        '2.0000',
        '3.0000',
    ]
    assert next(line for line in text.splitlines() if '| independent' in line).count('missing') == 1
    assert 'with 1 seed.' in text and 'scene edges 1-C, 1-C and task edges 1-C, 1-C' in text
    assert len(study.missing(2)) == 2 * len(METHODS) - 3
    with pytest.raises(ValueError, match='searches are of `control`'):
        report_text(table, Study('control', {}))
