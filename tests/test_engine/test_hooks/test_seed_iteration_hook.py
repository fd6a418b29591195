import random
from types import SimpleNamespace

import numpy as np
import torch

from llv.engine.hooks import SeedIterationHook


def draws(seed, iteration):
    SeedIterationHook().before_train_iter(SimpleNamespace(seed=seed, iter=iteration), 0)
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_numbers_belong_to_the_iteration():
    keys = [(seed, iteration) for seed in (0, 1) for iteration in (0, 1, 2)]
    first = [draws(*key) for key in keys]
    assert [draws(*key) for key in reversed(keys)] == first[::-1]
    for generator in zip(*first, strict=True):
        assert len(set(generator)) == len(keys)
