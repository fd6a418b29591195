"""mmengine's hub reaches llv's configs and models."""

import subprocess
import sys
import textwrap

import pytest
from mmengine.hub import get_config, get_model
from mmengine.registry import DefaultScope

from llv.utils import register_all_modules


def test_hub_gives_configs_and_models():
    pytest.importorskip('mmdet')
    cfg = get_config('llv::ssd/ssd300_exdark.py')
    assert cfg.model.bbox_head.num_classes == 12
    model = get_model('llv::ssd/ssd300_exdark.py')
    assert type(model).__name__ == 'SingleStageDetector'
    assert type(model.bbox_head).__module__.startswith('llv.')


def test_default_scope_only_when_asked():
    with DefaultScope.overwrite_default_scope('mmengine'):
        register_all_modules(init_default_scope=False)
        assert DefaultScope.get_current_instance().scope_name == 'mmengine'
        for _ in range(2):
            register_all_modules()
            assert DefaultScope.get_current_instance().scope_name == 'llv'
        with DefaultScope.overwrite_default_scope('mmengine'):
            register_all_modules()
            assert DefaultScope.get_current_instance().scope_name == 'llv'


@pytest.mark.parametrize('hidden', [(), ('mmdet', 'mmseg', 'mmcv')])
def test_everything_available_is_registered(hidden):
    code = textwrap.dedent(f"""
        from importlib.machinery import PathFinder
        find = PathFinder.find_spec
        def find_spec(name, path=None, target=None):
            return None if name.split('.')[0] in {hidden} else find(name, path, target)
        PathFinder.find_spec = find_spec
        from llv.utils import register_all_modules
        register_all_modules()
        from llv import registry
        print(*[name for kind in vars(registry).values() if isinstance(kind, registry.Registry)
                for name in kind.module_dict])
    """)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    assert {'RUAS', 'EnhancerLossHook', 'SeededSampler'} < set(names)
    from llv.utils.environment import has_mmdet

    assert ('SSDHead' in names) is (has_mmdet() and not hidden)
