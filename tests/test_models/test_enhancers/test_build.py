import pytest
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

from llv.models import EnhancedDataPreprocessor, EnhancementModel
from llv.models.enhancers import RUAS, FixedGain, Identity
from llv.models.enhancers.build import build_enhancer

BASE = dict(type='mmengine.ImgDataPreprocessor')


def in_front(cfg):
    return EnhancedDataPreprocessor(cfg, BASE).enhancer


def alone(cfg):
    return EnhancementModel(cfg).enhancer


@pytest.mark.parametrize('build', [build_enhancer, in_front, alone])
def test_mistakes_are_told(build):
    for cfg, error, message in (
        (dict(type='llv.RUAS', verson='RUAS_S'), ValueError, '`RUAS` takes no `verson`.*`version`'),
        (dict(type=FixedGain, gian=2), ValueError, '`FixedGain` takes no `gian`.*`gain`'),
        (
            dict(type='llv.Identity', weights='x'),
            ValueError,
            'takes no `weights`; it takes no options.$',
        ),
        (dict(type='llv.RUASSceneLoss'), TypeError, '`enhancer` must be .* `RUASSceneLoss`'),
        (dict(type='llv.Nothing'), KeyError, 'is not in the'),
    ):
        with pytest.raises(error, match=message):
            build(cfg)


@pytest.mark.parametrize('scope', ['mmengine', 'llv'])
def test_types_resolve_as_in_the_registry(scope):
    with DefaultScope.overwrite_default_scope(scope):
        cfg = ConfigDict(type='llv.RUAS', version='RUAS')
        assert build_enhancer(cfg).version == 'RUAS' and isinstance(build_enhancer(cfg), RUAS)
        assert cfg == dict(type='llv.RUAS', version='RUAS')
        scoped = dict(type='FixedGain', _scope_='llv', gain=2.0)
        assert build_enhancer(scoped).gain.unique() == 2
        assert isinstance(build_enhancer(dict(type=Identity)), Identity)
