"""Makes the toy run importable by name, as the configs in these tests import it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))


@pytest.fixture
def run_tool():
    """Starts a tool in a process of its own with the toy run importable."""

    def start(*arguments, torchrun=False, **environment):
        command = [sys.executable, *(['-m', 'torch.distributed.run'] if torchrun else [])]
        env = dict(
            os.environ,
            PYTHONPATH=f'{HERE}{os.pathsep}{ROOT}',
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            **environment,
        )
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=ROOT,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    return start
