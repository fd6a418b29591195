"""Fixtures for every test."""

from pathlib import Path

import pytest

# Folders whose files take long: they start processes and train.
LONG = ('test_integration', 'test_benchmark', 'test_tools')


def pytest_collection_modifyitems(items):
    """Long files first: with files handed to several processes, none is left alone with a long one at the end."""

    def rank(item):
        return next((i for i, folder in enumerate(LONG) if folder in item.path.parts), len(LONG))

    items.sort(key=rank)


@pytest.fixture(scope='session')
def reference_dir() -> Path:
    """The folder with official weights, pictures and outputs; not part of the repository."""
    folder = Path(__file__).parents[2] / 'shared' / 'reference'
    if not folder.is_dir():
        pytest.skip('the reference data is not there')
    return folder


def _kept_default_scope():
    """What a test, or the fixtures of its file, set as mmengine's default scope ends with it: any order of files, and
    any share of them in one process, gives the same."""
    from mmengine.registry import DefaultScope

    before = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)


scope_of_a_test = pytest.fixture(autouse=True)(_kept_default_scope)
scope_of_a_file = pytest.fixture(autouse=True, scope='module')(_kept_default_scope)
