import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.data import BatchSampler, DataLoader, Dataset

from llv.engine.seeded_sampler import (
    SeededIndex,
    SeededIndices,
    SeededSampler,
    make_reproducible,
    seed_generators,
    seeded,
)
from llv.registry import DATA_SAMPLERS


class Draws(Dataset):
    """Each sample is its index and a number of every generator."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        assert type(index) in (int, tuple)
        return index, random.random(), float(np.random.rand()), float(torch.rand(()))


@DATA_SAMPLERS.register_module()
class Pairs:
    """A sampler of several numbers a sample."""

    def __init__(self, dataset, seed):
        self.pairs = [(i, 0) for i in range(len(dataset))]

    def __iter__(self):
        return iter(self.pairs)

    def __len__(self):
        return len(self.pairs)


def loader(kind='DefaultSampler', workers=0, seed=3, context=None, **options):
    dataset = Draws()
    sampler = SeededSampler(dataset, dict(type=kind, **options), seed=seed)
    return DataLoader(
        dataset,
        batch_size=2,
        sampler=sampler,
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context=context,
    )


def take(source, batches):
    return [sample for _, batch in zip(range(batches), source, strict=False) for sample in batch]


@pytest.mark.parametrize('context', ['fork', 'spawn'])
def test_workers_draw_what_the_process_itself_draws(context):
    assert take(loader(workers=2, context=context), 4) == take(loader(), 4)


def test_seed_epoch_and_position_choose_the_draws():
    first = take(loader(), 4)
    other = loader()
    other.sampler.set_epoch(1)
    second = take(other, 4)
    assert sorted(s[0] for s in first) == sorted(s[0] for s in second) == list(range(7))
    assert [s[0] for s in first] != [s[0] for s in second]  # the inner sampler hears of the epoch
    draws = {s[1:] for s in [*first, *second, *take(loader(seed=4), 4)]}
    assert len(draws) == 21
    assert all(len({s[i] for s in draws}) == 21 for i in range(3))


def test_skip_continues_an_endless_stream():
    whole = take(loader('InfiniteSampler'), 12)
    skipped = loader('InfiniteSampler')
    skipped.sampler.skip(2 * 5)
    assert take(skipped, 7) == whole[10:]
    assert not hasattr(loader().sampler, 'skip')


def test_batch_samplers_and_indices_of_several_numbers():
    dataset = Draws()
    sampler = SeededSampler(dataset, dict(type='DefaultSampler', shuffle=False), seed=3)
    batches = DataLoader(
        dataset, batch_sampler=BatchSampler(sampler, 3, False), collate_fn=pseudo_collate
    )
    assert [int(i) for batch in batches for i in batch[0]] == list(range(7))
    assert sampler.dataset is dataset
    pairs = take(loader(Pairs), 4)
    assert [s[0] for s in pairs] == [(i, 0) for i in range(7)]
    assert pairs == take(loader(Pairs), 4)


def test_batches_by_aspect_ratio():
    pytest.importorskip('mmdet')
    from mmdet.datasets import AspectRatioBatchSampler

    dataset = Draws()
    dataset.get_data_info = lambda index: dict(width=1 + index % 2, height=1.5)
    sampler = SeededSampler(dataset, dict(type='DefaultSampler'), seed=3)
    batches = AspectRatioBatchSampler(sampler, 2)
    plain = DataLoader(dataset, batch_sampler=batches, collate_fn=list)
    with_workers = DataLoader(dataset, batch_sampler=batches, collate_fn=list, num_workers=2)
    first = take(plain, 4)
    assert sorted(sample[0] for sample in first) == list(range(7))
    assert take(with_workers, 4) == first
    # the batches are put together anew, the draws stay with the place in the sampler's order
    order = {sample[0]: sample for sample in take(loader(), 4)}
    assert all(order[sample[0]] == sample for sample in first)


def test_loading_leaves_the_generators_alone():
    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()

    seed_generators(5)
    expected = [draw(), draw()]
    seed_generators(5)
    found = [draw()]
    with seeded(1, 2):
        inside = draw()
    found.append(draw())
    assert found == expected
    assert inside not in expected
    with pytest.raises(KeyError), seeded(9):
        raise KeyError
    with seeded(1, 2):
        assert draw() == inside


@pytest.mark.parametrize('index', [SeededIndex(4, (1, 2, 3)), SeededIndices((4, 5))])
def test_indices_travel(index):
    copied = pickle.loads(pickle.dumps(index))
    assert copied == index and copied.key == index.key and type(copied) is type(index)


def test_make_reproducible():
    inner = dict(type='DefaultSampler', shuffle=True)
    cfg = Config(dict(train_dataloader=dict(sampler=inner), custom_hooks=[dict(type='EMAHook')]))
    make_reproducible(cfg)
    make_reproducible(cfg)
    assert cfg.randomness == dict(seed=0)
    assert cfg.train_dataloader.sampler == dict(type='llv.SeededSampler', seed=0, sampler=inner)
    assert [hook.type for hook in cfg.custom_hooks] == ['EMAHook', 'llv.SeedIterationHook']
    cfg = Config(dict(randomness=dict(seed=7, deterministic=True), train_dataloader=None))
    make_reproducible(cfg)
    assert cfg.randomness == dict(seed=7, deterministic=True)
