import json

import pytest
import torch
import toy_search
import toy_training as toy
from mmengine.config import Config

from llv.engine.loops.alpha_file import read_alpha
from llv.search.genotype_file import load_genotype, read_genotype
from llv.search.spaces import LOW_LEVEL


def write(folder, name='search', **settings):
    file = folder / f'{name}.py'
    file.write_text(toy_search.config(**settings))
    return file


def test_a_search_writes_its_genotype(tmp_path, call_tool):
    file = write(tmp_path, iters=4)
    run = tmp_path / 'run'
    status, error = call_tool('search', file, '--work-dir', run, '--amp')
    assert status == 0, error
    genotype = load_genotype(run / 'genotype.json')
    assert set(genotype['parts']) == {'scene', 'task'}
    assert genotype['search'] == dict(
        strategy='cooperative', order=2, iterations=4, seed=0, config='search.py', size=[12, 10]
    )
    state = toy.weights(run / 'iter_4.pth')
    model = toy_search.ToySupernet()
    model.load_state_dict(state)
    alpha = read_alpha(run / 'alpha.pth', model)
    for place, part in genotype['parts'].items():
        name = f'{place}.architecture.arch_alpha'
        assert torch.equal(alpha[place], state[name])
        assert part['edges']['a'] == LOW_LEVEL.candidates[int(state[name].argmax())]

    # the derived network is as large as the file says
    chosen = {
        p: read_genotype(g, 'toy_edge', LOW_LEVEL, ('a',)) for p, g in genotype['parts'].items()
    }
    derived = toy_search.ToySupernet(*(tuple(chosen[p].values()) for p in ('scene', 'task')))
    assert genotype['parameters'] == sum(p.numel() for p in derived.parameters())
    weights = [m.weight.numel() for m in derived.modules() if isinstance(m, torch.nn.Conv2d)]
    pixels = [120] * (len(weights) - 1) + [80]  # the head pads nothing and is the last
    assert genotype['macs'] == sum(w * p for w, p in zip(weights, pixels, strict=True))

    # and goes on
    more = ['--cfg-options', 'train_cfg.max_iters=6']
    status, error = call_tool('search', file, '--work-dir', run, '--amp', '--resume', *more)
    assert status == 0, error
    assert json.loads((run / 'genotype.json').read_text())['search']['iterations'] == 6
    assert Config.fromfile(run / 'search.py').optim_wrapper.type == 'llv.Bfloat16OptimWrapper'


def test_user_errors_are_one_sentence(tmp_path, call_tool):
    file = write(tmp_path)
    plain = tmp_path / 'plain.py'
    plain.write_text(toy.config(workers=0))
    broken = tmp_path / 'genotype.json'
    broken.write_text(
        '{"llv_genotype": 1, "space": "low_level", "space_version": 9, "module": "toy_edge"}'
    )
    cases = [
        ([plain], '`llv.CooperativeSearchLoop`'),
        ([file, '--cfg-options', 'train_cfg.beta=-1'], '`beta` must be at least 0'),
        (
            [file, '--cfg-options', 'train_cfg.valid_dataloader.dataset.type=NoPictures',
             'train_cfg.valid_dataloader.dataset._delete_=True'],
            '`train_cfg.valid_dataloader` is empty',
        ),
        ([file, '--cfg-options', f'train_cfg.alpha_from={tmp_path / "gone.pth"}'], 'gone.pth'),
        ([file, '--cfg-options', f'model.task_genotype={broken}'], 'genotype.json'),
    ]  # fmt: skip
    for arguments, message in cases:
        status, error = call_tool('search', *arguments, '--work-dir', tmp_path / 'run')
        assert status == 2, (arguments, error)
        sentence = error.strip().splitlines()[-1]
        assert message in sentence and 'Traceback' not in error, (arguments, error)
    assert not list((tmp_path / 'run').glob('*.pth'))


@pytest.mark.parametrize('strategy', ['global', 'independent'])
def test_the_strategy_is_an_option(tmp_path, call_tool, strategy):
    file = write(tmp_path, iters=4)
    options = ['--cfg-options', f'train_cfg.strategy={strategy}']
    status, error = call_tool('search', file, '--work-dir', tmp_path / 'run', *options)
    assert status == 0, error
    genotype = json.loads((tmp_path / 'run' / 'genotype.json').read_text())
    assert genotype['search']['strategy'] == strategy
