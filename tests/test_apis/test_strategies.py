"""Six ways to train an enhancer and a model together, on a config without an enhancer."""

import pytest
from mmengine.config import Config

from llv.apis.strategies import STRATEGIES, apply_strategy

INTO = 'model.data_preprocessor.enhancer.weights'


def plain(**more):
    return Config(
        dict(
            model=dict(type='Toy', data_preprocessor=dict(type='mmengine.ImgDataPreprocessor')),
            train_cfg=dict(max_iters=3),
            **more,
        ),
        filename=__file__,
    )


def links(cfg):
    return [(link['config'], link['into']) for link in cfg.upstream]


@pytest.mark.parametrize(
    ('strategy', 'frozen', 'upstream', 'hooks'),
    [
        ('zero_shot', True, [(__file__, 'load_from'), ('light.py', INTO)], []),
        ('frozen', True, [('light.py', INTO)], []),
        ('end_to_end', False, [], []),
        ('end_to_end_scene', False, [], [0.3]),
        ('hierarchical', False, [('light.py', INTO)], []),
    ],
)
def test_each_strategy_is_what_the_table_says(strategy, frozen, upstream, hooks):
    before = plain()
    cfg = apply_strategy(before, strategy, 'psenet', recipe='light.py', scene_loss=0.3)
    assert cfg.model.data_preprocessor.frozen == frozen
    assert links(cfg) == upstream
    assert [hook['loss_weight'] for hook in cfg.get('custom_hooks', [])] == hooks
    assert (cfg.train_cfg is None) == (strategy == 'zero_shot')
    assert before.model.data_preprocessor.type == 'mmengine.ImgDataPreprocessor'


def test_detector_only_leaves_the_model_alone():
    cfg = apply_strategy(plain(upstream=[dict(config='day.py', into='load_from')]), 'detector_only')
    assert cfg.model == plain().model
    assert links(cfg) == [('day.py', 'load_from')]


def test_zero_shot_takes_the_weights_that_the_config_names():
    cfg = apply_strategy(plain(load_from='day.pth'), 'zero_shot', 'psenet', recipe='light.py')
    assert cfg.load_from == 'day.pth'
    assert links(cfg) == [('light.py', INTO)]


def test_zero_shot_trains_the_start_with_its_options():
    cfg = apply_strategy(
        plain(), 'zero_shot', 'gamma', start='day.py', start_options={'train_cfg.max_iters': 2}
    )
    assert cfg.upstream[0]['cfg_options'] == {'train_cfg.max_iters': 2}
    assert links(cfg) == [('day.py', 'load_from')]


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (('magic',), 'no strategy `magic`'),
        (('frozen',), 'needs an enhancer'),
        (('detector_only', 'gamma'), 'takes no enhancer'),
        (('hierarchical', 'psenet'), 'trains the enhancer first'),
    ],
)
def test_what_does_not_go_together_is_said(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        apply_strategy(plain(), *arguments)


def test_all_are_listed():
    assert len(set(STRATEGIES)) == 6
