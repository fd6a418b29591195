import pytest
import torch
import toy_training as toy
from mmengine.config import Config
from mmengine.model import BaseTTAModel
from toys import LearnedGain, MeanModel

from llv.engine.hooks import RandomEnhancerHook
from llv.engine.settings import RunOptions, build_runner
from llv.models import EnhancementModel
from llv.registry import MODEL_WRAPPERS

BASE = dict(type='mmengine.ImgDataPreprocessor')
NAME = 'data_preprocessor.enhancer'


class Runner:
    """What the hook needs of a runner: the model."""

    def __init__(self, model):
        self.model = model


class Views(BaseTTAModel):
    def merge_preds(self, data_samples_list):
        return data_samples_list


@MODEL_WRAPPERS.register_module()
class Wrapper(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def behind(enhancer, **options):
    wrapper = dict(type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=BASE, **options)
    return MeanModel(wrapper)


def refused(model, when, tensors=None):
    hook, runner = RandomEnhancerHook(), Runner(model)
    if tensors is not None:
        hook.after_load_checkpoint(runner, tensors)
    try:
        getattr(hook, when)(runner)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ('tensors', 'random'),
    [
        (None, True),
        (dict(state_dict={'p': torch.ones(1)}), True),
        (dict(state_dict={f'{NAME}.dropout': torch.ones(1)}), True),
        (dict(state_dict={f'{NAME}.w': torch.ones(2)}), True),  # the runner leaves it out
        (dict(state_dict={f'{NAME}.w': torch.ones(1)}), False),
        ({f'module.{NAME}.w': torch.ones(1), 'epoch': 3}, False),
    ],
)
def test_what_a_checkpoint_fills(tensors, random):
    for wrap in (lambda model: model, Views, Wrapper, lambda model: Wrapper(Views(model))):
        model = wrap(behind(LearnedGain()))
        assert bool(refused(model, 'before_test', tensors)) is random
        frozen = wrap(behind(LearnedGain(), frozen=True))
        assert bool(refused(frozen, 'before_train', tensors)) is random
        assert refused(model, 'before_train', tensors) is None


def test_weights_fill_and_what_has_no_parameters_needs_nothing(tmp_path):
    torch.save(LearnedGain().state_dict(), tmp_path / 'w.pth')
    for enhancer in (
        dict(type='llv.LearnedGain', weights=str(tmp_path / 'w.pth')),
        dict(type='llv.FixedGain', gain=2.0),
        dict(type='llv.MeanMatch'),
        dict(type='llv.Identity'),
    ):
        for when in ('before_train', 'before_test'):
            assert refused(behind(enhancer, frozen=True), when) is None


def test_an_enhancer_alone_is_looked_at_too():
    model = EnhancementModel(dict(type='llv.RUAS', version='RUAS_A'))
    assert '`model.enhancer.weights`' in refused(model, 'before_test')
    # a part of it is never trained, the rest is
    assert refused(model, 'before_train') is None
    tensors = {f'enhancer.{name}': tensor for name, tensor in model.enhancer.state_dict().items()}
    assert refused(model, 'before_test', tensors) is None
    tensors.popitem()
    assert refused(model, 'before_test', tensors)


def test_a_runner_tests_what_it_has_trained(tmp_path):
    text = toy.config(workers=0, extra=toy.LIT + 'train_cfg.update(max_epochs=1)\n')
    cfg = Config.fromstring(text, '.py')
    cfg.work_dir = str(tmp_path)
    runner = build_runner(cfg, RunOptions())
    assert 'RandomEnhancerHook' not in runner.cfg.pretty_text
    with pytest.raises(ValueError, match='would be random'):
        runner.test()
    runner.train()
    assert 'mean' in runner.test()


def test_a_cascade_is_as_random_as_its_stages(tmp_path):
    torch.save(LearnedGain().state_dict(), tmp_path / 'w.pth')
    filled = dict(type='llv.LearnedGain', weights=str(tmp_path / 'w.pth'))
    for stages, random in (
        ([filled, dict(type='llv.MeanMatch'), filled], None),
        ([filled, dict(type='llv.LearnedGain')], f'`model.{NAME}.stages.1` (`LearnedGain`)'),
    ):
        cascade = dict(type='llv.Cascade', stages=stages)
        for when in ('before_train', 'before_test'):
            said = refused(behind(cascade, frozen=True), when)
            assert said is None if random is None else said.startswith(random)
        # a checkpoint of the whole fills every stage
        model = behind(cascade, frozen=True)
        assert refused(model, 'before_test', dict(state_dict=model.state_dict())) is None
