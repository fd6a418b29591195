"""Models of mmdet, mmseg and mmpretrain behind an enhancer, from the configs in their packages, each trained and run.

What of a config is replaced, and why, is in `upstream_models/cases.py`; its rows are those of docs/plug_in.md.
"""

import copy
import json
import math
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from test_integration.upstream_models.cases import CASES, CHECKPOINTS
from test_integration.upstream_models.data import WRITERS

from llv.apis import clear_pretrained, init_enhancer, plug_enhancer
from llv.engine.runner import train
from llv.engine.settings import RunOptions
from llv.utils.checkpoint import load_checkpoint
from llv.utils.config import load_config

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

REPOSITORY = Path(__file__).parents[2]
ENHANCER = 'psenet-night-scenes'
PREFIX = 'data_preprocessor.enhancer.'
each_model = pytest.mark.parametrize('case', CASES, ids=lambda case: case.name)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The folder of a case's data, written when first asked for."""
    root, written = tmp_path_factory.mktemp('data'), {}

    def of(case):
        pytest.importorskip(case.package, reason=f'{case.package} is not installed')
        if case.data not in written:
            written[case.data] = WRITERS[case.data](root / case.data)
        return written[case.data]

    return of


def assert_ran(case, work_dir):
    log = next(Path(work_dir).glob('*/vis_data/scalars.json')).read_text().splitlines()
    records = [json.loads(line) for line in log]
    losses = [record['loss'] for record in records if 'loss' in record]
    assert len(losses) == 2 and all(0 < loss < math.inf for loss in losses)
    assert 0 <= records[-1][case.metric] <= 100


def assert_bit_equal(one, other):
    """The predictions in two data samples: instances, maps or scores, and some of them."""
    names = [name for name in one.keys() if name.startswith(('pred_', 'seg_logits'))]
    assert names and names == [name for name in other.keys() if name in names]
    for name in names:
        first, second = getattr(one, name), getattr(other, name)
        for field in first.keys() if hasattr(first, 'keys') else [None]:
            a, b = (x if field is None else getattr(x, field) for x in (first, second))
            assert torch.equal(a, b) and a.numel(), (name, field)


@each_model
def test_the_command_trains_model_and_enhancer_together(case, data, tmp_path):
    options = case.all_options(data(case))
    # without the decay of weights nothing but the gradient of the model's loss changes the enhancer
    options['optim_wrapper.paramwise_cfg.custom_keys.enhancer.decay_mult'] = 0.0
    pairs = [f'{key}={value}'.replace(' ', '') for key, value in options.items()]
    arguments = [case.config, '--enhancer', ENHANCER, '--no-pretrained', '--work-dir', tmp_path]
    before = sys.argv
    sys.argv = ['train.py', *map(str, arguments), '--cfg-options', *pairs]
    try:
        runpy.run_path(str(REPOSITORY / 'tools' / 'train.py'), run_name='__main__')
    finally:
        sys.argv = before
    assert_ran(case, tmp_path)
    trained = load_checkpoint(next(tmp_path.glob('*.pth')))['state_dict']
    for name, value in init_enhancer(ENHANCER).state_dict().items():
        assert torch.isfinite(trained[PREFIX + name]).all()
        if name.endswith('weight'):
            assert not torch.equal(trained[PREFIX + name], value), name
    shutil.rmtree(tmp_path)  # checkpoints of a real size


@each_model
def test_a_frozen_enhancer_stays_as_it_is_while_the_model_learns(case, data, tmp_path):
    cfg = load_config(case.config, case.all_options(data(case)))
    cfg = plug_enhancer(cfg, ENHANCER, frozen=True)
    cfg.default_hooks.checkpoint.update(interval=-1, save_last=False)
    cfg.work_dir = str(tmp_path)
    runner = train(cfg, RunOptions(no_pretrained=True))
    assert_ran(case, tmp_path)
    enhancer = runner.model.data_preprocessor.enhancer
    for name, value in init_enhancer(ENHANCER).state_dict().items():
        assert torch.equal(enhancer.state_dict()[name], value), name
    moved = runner.optim_wrapper.optimizer.state
    assert not any(parameter in moved for parameter in enhancer.parameters())
    assert moved


@pytest.mark.parametrize(
    'case', [case for case in CASES if case.name in CHECKPOINTS], ids=lambda case: case.name
)
def test_a_checkpoint_loads_as_it_is_and_identity_changes_no_bit(case, data, tmp_path):
    cfg = load_config(case.config, case.all_options(data(case)))
    clear_pretrained(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        # as the Runner builds it
        cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
        plain = MODELS.build(cfg.model)
        torch.save(plain.state_dict(), tmp_path / 'plain.pth')
        checkpoint = torch.load(tmp_path / 'plain.pth', weights_only=True)
        batch = next(iter(Runner.build_dataloader(cfg.val_dataloader, seed=0)))

        plugged = MODELS.build(plug_enhancer(cfg, 'identity').model)
        plugged.load_state_dict(checkpoint, strict=True)
        with torch.no_grad():
            expected = plain.eval().test_step(copy.deepcopy(batch))
            found = plugged.eval().test_step(copy.deepcopy(batch))
        preprocessor = plug_enhancer(cfg, ENHANCER).model.data_preprocessor
        plugged.data_preprocessor = MODELS.build(preprocessor)
    for one, other in zip(expected, found, strict=True):
        assert_bit_equal(one, other)
    missing, unexpected = plugged.load_state_dict(checkpoint, strict=False)
    assert missing and all(name.startswith(PREFIX) for name in missing)
    assert not unexpected
