"""Each test here stands for a process of its own."""

import pytest
from mmengine.visualization import Visualizer


@pytest.fixture(autouse=True)
def fresh_visualizer():
    """mmengine builds a visualizer of a name once a process, so curves would go to an earlier test's folder."""
    kinds = [Visualizer]
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()
