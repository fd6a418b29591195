"""From names, configs and files to enhancers."""

import logging
import sys
import types
import warnings

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import MODELS as ROOT
from mmengine.registry import Registry

from llv.apis import enhancer_config, init_enhancer, registered_enhancers
from llv.models.enhancers import RUAS, BaseEnhancer, FixedGain, Identity, MeanMatch


class Plain(BaseEnhancer):
    """Registered by the tests below in other scopes."""

    def enhance(self, images):
        raise NotImplementedError


@pytest.fixture
def other_scope():
    """A package of another scope with an enhancer, as mmengine sees it after its import."""
    registry = Registry('model', parent=ROOT, scope='toyscope')
    registry.register_module(module=Plain, name='ToyNet')
    yield registry
    del ROOT.children['toyscope']


@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('ruas', RUAS),
        ('RUAS', RUAS),
        ('llv.RUAS', RUAS),
        ('llv.ruas', RUAS),
        ('fixed_gain', FixedGain),
        ('fixedgain', FixedGain),
        ('FixedGain', FixedGain),
        ('mean-match', MeanMatch),
        ('llv.models.enhancers.identity.Identity', Identity),
    ],
)
def test_names(name, kind):
    module = init_enhancer(name)
    assert type(module) is kind
    assert not module.training


def test_options_reach_the_enhancer():
    images = torch.full((1, 3, 2, 2), 0.2)
    lit = init_enhancer('fixed_gain', gain=[1.0, 2.0, 3.0])(images).image
    torch.testing.assert_close(lit[0, :, 0, 0], torch.tensor([0.2, 0.4, 0.6]))


@pytest.mark.parametrize(
    ('name', 'nearest'),
    [('raus', 'RUAS'), ('fixed_gian', 'FixedGain'), ('llv.meanmach', 'MeanMatch')],
)
def test_unknown_names_suggest_the_nearest_and_list_all(name, nearest):
    with pytest.raises(ValueError, match=f'`{name}`.*did you mean `{nearest}`') as error:
        init_enhancer(name)
    for known in ('FixedGain', 'Identity', 'MeanMatch', 'RUAS'):
        assert known in str(error.value)


@pytest.mark.parametrize('name', ['', './x', '../x', 'no_such_package.X', 'SSDHead', 'lol.pt'])
def test_names_of_nothing(name):
    with pytest.raises(ValueError, match='is no registered enhancer'):
        init_enhancer(name)


def test_enhancers_of_other_packages(other_scope):
    assert registered_enhancers()['toyscope.ToyNet'] is Plain
    for name in ('toy_net', 'toyscope.toynet', 'ToyNet'):
        assert enhancer_config(name) == dict(type='toyscope.ToyNet')
    assert enhancer_config(dict(type='ToyNet', _scope_='toyscope'))['type'] == 'toyscope.ToyNet'
    assert type(init_enhancer('toynet')) is Plain


def test_llv_wins_over_a_name_that_another_package_uses_too(other_scope):
    other_scope.register_module(module=Plain, name='Identity')
    assert enhancer_config('identity')['type'] == 'llv.Identity'
    assert enhancer_config('toyscope.identity')['type'] == 'toyscope.Identity'


def test_a_name_in_two_other_packages_must_be_written_in_full(other_scope):
    second = Registry('model', parent=ROOT, scope='toyscope2')
    try:
        second.register_module(module=type('Other', (Plain,), {}), name='ToyNet')
        with pytest.raises(ValueError, match='`toyscope.ToyNet` or `toyscope2.ToyNet`.*in full'):
            init_enhancer('toynet')
        assert enhancer_config('toyscope2.ToyNet')['type'] == 'toyscope2.ToyNet'
    finally:
        del ROOT.children['toyscope2']


def test_a_scope_is_imported_when_it_is_named(monkeypatch):
    package = types.ModuleType('lazyscope')
    package.__path__ = []
    monkeypatch.setitem(sys.modules, 'lazyscope', package)

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name != 'lazyscope.registry':
                return None
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, Finder)

        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            module.MODELS = Registry('model', parent=ROOT, scope='lazyscope')
            module.MODELS.register_module(module=Plain, name='LazyNet')

    monkeypatch.setattr(sys, 'meta_path', [*sys.meta_path, Finder])
    try:
        assert enhancer_config('lazyscope.lazy_net')['type'] == 'lazyscope.LazyNet'
    finally:
        ROOT.children.pop('lazyscope', None)
        sys.modules.pop('lazyscope.registry', None)


@pytest.mark.parametrize(
    'text',
    [
        "enhancer = dict(type='llv.FixedGain', gain=3.0)",
        "model = dict(type='llv.EnhancementModel', enhancer=dict(type='llv.FixedGain', gain=3.0))",
        "model = dict(data_preprocessor=dict(enhancer=dict(type='FixedGain', gain=3.0)))",
    ],
)
def test_config_files(tmp_path, text):
    (tmp_path / 'c.py').write_text(text)
    assert enhancer_config(tmp_path / 'c.py') == dict(type='llv.FixedGain', gain=3.0)
    assert enhancer_config(str(tmp_path / 'c.py'), gain=4.0)['gain'] == 4.0


def test_a_config_dict_is_not_changed():
    cfg = Config(dict(enhancer=dict(type='ruas'))).enhancer
    assert enhancer_config(cfg, stages=2) == dict(type='llv.RUAS', stages=2)
    assert cfg == dict(type='ruas')


def test_a_class_as_type():
    assert enhancer_config(dict(type=FixedGain)) == dict(type='llv.FixedGain')


def test_configs_without_an_enhancer(tmp_path):
    (tmp_path / 'c.py').write_text("model = dict(type='X')")
    with pytest.raises(ValueError, match='holds no enhancer'):
        init_enhancer(tmp_path / 'c.py')
    with pytest.raises(FileNotFoundError, match='is not there'):
        init_enhancer(tmp_path / 'd.py')
    with pytest.raises(ValueError, match='no `type`'):
        init_enhancer(dict(gain=1.0))
    with pytest.raises(TypeError, match='`enhancer` must be'):
        init_enhancer(3)


def test_weights_reach_the_enhancer_and_replace_those_of_the_config(tmp_path, monkeypatch):
    for name, gain in (('a.pt', 2.0), ('b.pt', 3.0)):
        torch.save(FixedGain(gain).state_dict(), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    cfg = dict(type='FixedGain', weights='a.pt')
    assert init_enhancer(cfg).gain.unique() == 2
    assert init_enhancer(cfg, weights='b.pt').gain.unique() == 3
    # so that a plugged config still finds it from another folder
    assert enhancer_config(cfg, weights='b.pt')['weights'] == str(tmp_path / 'b.pt')


def test_missing_weights_are_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.pt` is not there'):
        init_enhancer('fixed_gain', weights=tmp_path / 'gone.pt')
    with pytest.raises(FileNotFoundError, match='gone.pt` is not there'):
        init_enhancer(dict(type='FixedGain', weights='gone.pt'))


def test_options_that_an_enhancer_does_not_have(tmp_path):
    with pytest.raises(ValueError, match='`FixedGain` takes no `gian`; its options are `gain`'):
        init_enhancer('fixed_gain', gian=2.0)
    (tmp_path / 'w.pt').touch()
    with pytest.raises(ValueError, match='`MeanMatch` takes no `weights`'):
        init_enhancer('mean_match', weights=tmp_path / 'w.pt')


@pytest.mark.parametrize('device', ['cuda:99', 'gpu'])
def test_devices_that_are_not_there(device):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch complains about missing drivers
        with pytest.raises(ValueError, match=f'`{device}` is not available'):
            init_enhancer('identity', device=device)


def test_an_untrained_network_says_so():
    logger = MMLogger.get_current_instance()
    lines = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    try:
        init_enhancer('ruas')
        init_enhancer('fixed_gain')
    finally:
        logger.removeHandler(handler)
    assert lines == ['`RUAS` starts untrained, because no `weights` are given.']


@pytest.mark.parametrize(
    'name, options, words',
    [
        (
            'psenet',
            dict(width='banana'),
            "`width` of `PSENet` must be float or None, but got 'banana'",
        ),
        (
            'psenet',
            dict(estimate_scale=None),
            '`estimate_scale` of `PSENet` must be float, but got',
        ),
        ('ruas', dict(stages=2.5), '`stages` of `RUAS` must be int or None, but got 2.5'),
        ('ruas', dict(stages=True), '`stages` of `RUAS` must be int or None, but got True'),
        ('drbn', dict(exposure_normalization='no'), 'must be bool or None'),
        ('clahe', dict(channel=3), '`channel` of `CLAHE` must be str, but got 3'),
        ('precomputed', dict(), '`Precomputed` needs `originals` and `folder`; give them'),
        ('precomputed', dict(folder='x'), '`Precomputed` needs `originals`; give them'),
    ],
)
def test_missing_options_and_those_of_another_type_are_told(name, options, words):
    with pytest.raises(ValueError, match=words):
        enhancer_config(name, **options)


@pytest.mark.parametrize('width', [1, 1.0, None])
def test_whole_numbers_are_numbers(width):
    assert enhancer_config('psenet', width=width)['width'] == width
