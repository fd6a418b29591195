import gc

import pytest


@pytest.fixture(scope='package', autouse=True)
def quick_garbage_collection():
    """Every data set of mmengine collects garbage when it is built: a second or two among all that mmseg imports."""
    gc.freeze()
    yield
    gc.unfreeze()
