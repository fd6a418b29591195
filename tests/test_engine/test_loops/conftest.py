"""The toy search is importable by name, as the configs in these tests import it."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))


@pytest.fixture
def search(tmp_path):
    """Runs a toy search in this process and returns its runner."""
    import toy_search
    from mmengine.config import Config

    from llv.engine.runner import train
    from llv.engine.settings import RunOptions

    runs = []

    def run(extra='', folder=None, resume=None, amp=False, name=None, **settings):
        cfg = Config.fromstring(toy_search.config(extra, **settings), '.py')
        runs.append(cfg)
        # the name of the log and of the message hub, which one process must not share
        cfg.experiment_name = name or f'{tmp_path.name}_{len(runs)}'
        cfg.work_dir = str(folder or tmp_path / str(len(runs)))
        return train(cfg, RunOptions(amp=amp), resume)

    return run
