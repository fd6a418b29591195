"""`llv.X` from anywhere, and what is said where mmdet or mmseg is missing."""

import subprocess
import sys
import textwrap

import mmengine.registry as root
import pytest
from mmengine.registry import DefaultScope

import llv.registry as registries
from llv.models.enhancers import RUAS

HIDE = textwrap.dedent("""
    from importlib.machinery import PathFinder
    find = PathFinder.find_spec
    def find_spec(name, path=None, target=None):
        return None if name.split('.')[0] in {hidden} else find(name, path, target)
    PathFinder.find_spec = find_spec
""")


def run(hidden, code):
    """Run code in a process in which the packages `hidden` do not exist."""
    code = HIDE.format(hidden=set(hidden)) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize('scope', ['mmengine', 'mmdet', 'mmseg', 'llv'])
def test_types_resolve_from_any_default_scope(scope):
    if scope in ('mmdet', 'mmseg'):
        pytest.importorskip(scope)
    with DefaultScope.overwrite_default_scope(scope):
        assert root.MODELS.get('llv.RUAS') is RUAS
        built = root.MODELS.build(dict(type='llv.EnhancementModel', enhancer=dict(type='llv.RUAS')))
        assert isinstance(built.enhancer, RUAS)


def test_registries_are_children_of_their_namesakes():
    own = {
        name: value
        for name, value in vars(registries).items()
        if isinstance(value, registries.Registry)
    }
    assert len(own) >= 9
    for name, registry in own.items():
        assert registry.scope == 'llv'
        assert registry.parent is getattr(root, name)


def test_the_core_needs_only_mmengine():
    out = run(
        ['mmcv', 'mmdet', 'mmseg'],
        """
        import torch
        from llv.apis import init_enhancer
        from llv.registry import HOOKS, MODELS
        import llv.models.losses, llv.search.operations
        print(tuple(init_enhancer('ruas')(torch.rand(1, 3, 5, 6)).image.shape))
        print(MODELS.get('llv.EnhancedDataPreprocessor').__name__, HOOKS.get('llv.EnhancerLossHook').__name__)
        """,
    )
    # a warning about missing weights stands before
    assert out.splitlines()[-2:] == ['(1, 3, 5, 6)', 'EnhancedDataPreprocessor EnhancerLossHook']


def test_a_missing_package_is_named_with_the_type():
    out = run(
        ['mmdet', 'mmseg'],
        """
        from mmengine.registry import MODELS
        try:
            MODELS.build(dict(type='llv.SSDHead'))
        except ImportError as error:
            print(error)
        """,
    )
    assert 'llv.SSDHead' in out and 'mmdet' in out and 'install' in out


def test_an_unknown_type_is_just_unknown():
    pytest.importorskip('mmdet')
    assert registries.MODELS.get('llv.NoSuchThing') is None
    assert registries.MODELS.get('torch.nn.Conv2d').__name__ == 'Conv2d'
