"""Searches of the tabular space, by the loop that searches everything else, and their regrets."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from os import PathLike
from typing import Any

from mmengine.runner import Runner

from llv.registry import LOOPS

from .network import SCENE_EDGES, TASK_EDGES, Genotype, TabularNetwork, all_genotypes
from .table import read_document, write_document
from .tasks import ScenePictures, check_task

FORMAT = 1
_KEY = 'llv_search_study'

# arguments of the loop by the name of the method; `random` is a draw
METHODS: dict[str, dict[str, Any] | None] = {
    'cooperative': dict(strategy='cooperative'),
    'global': dict(strategy='global'),
    'independent': dict(strategy='independent'),
    'beta=0': dict(strategy='cooperative', beta=0.0),
    'random': None,
}
# of every search; one that is independent has each of its levels move in half of the iterations
SETTINGS: dict[str, Any] = dict(iters=150, batch_size=8, lr=0.05, arch_lr=0.005, weight_decay=0.0)


def search(
    task: str,
    method: str,
    seed: int,
    iters: int = SETTINGS['iters'],
    batch_size: int = SETTINGS['batch_size'],
    lr: float = SETTINGS['lr'],
    arch_lr: float = SETTINGS['arch_lr'],
    weight_decay: float = SETTINGS['weight_decay'],
) -> Genotype:
    """What a method finds: a search with :class:`llv.engine.loops.CooperativeSearchLoop`, second order, or a draw.

    The levels move as often as each other and as those of the other methods: an independent search takes twice the
    iterations, the first half for the scene module.

    Args:
        task: ``interaction`` or ``control``.
        method: One of :data:`METHODS`.
        seed: Of α, weights and batches.
        iters: Steps of each level.
        batch_size: Pictures of a batch, of both streams.
        lr: Rate of SGD with momentum 0.9, for ω.
        arch_lr: Rate of Adam, for α.
        weight_decay: Of ω, also in the virtual step.

    Raises:
        ValueError: There is no such task or method.
    """
    check_task(task)
    if method not in METHODS:
        raise ValueError(f'`method` must be one of {", ".join(METHODS)}, but got {method!r}.')
    settings = METHODS[method]
    if settings is None:
        return random.Random(seed).choice(all_genotypes())
    if method == 'independent':
        iters *= 2
    LOOPS.import_from_location()
    model = TabularNetwork(task, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            model,
            folder,
            train_dataloader=_loader('train', batch_size),
            train_cfg=dict(
                type='llv.CooperativeSearchLoop',
                max_iters=iters,
                valid_dataloader=_loader('valid', batch_size),
                scene='scene',
                scene_losses='loss_scene',
                task_interval=1,
                check_interval=iters,
                arch_optimizer=dict(type='Adam', lr=arch_lr, betas=(0.5, 0.999)),
                **settings,
            ),
            optim_wrapper=dict(
                optimizer=dict(type='SGD', lr=lr, momentum=0.9, weight_decay=weight_decay)
            ),
            default_hooks=dict(logger=None, checkpoint=None),
            log_level='ERROR',
            default_scope='llv',
            randomness=dict(seed=seed),
            experiment_name=f'{task}-{method}-{seed}-{id(model)}',
        )
        runner.train()
    scene, edges = model.scene.architecture.derive(), model.task.architecture.derive()
    return (*(scene[edge] for edge in SCENE_EDGES), *(edges[edge] for edge in TASK_EDGES))


def _loader(split: str, batch_size: int) -> dict[str, Any]:
    return dict(
        dataset=ScenePictures(split),
        batch_size=batch_size,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
    )


class Study:
    """What searches of one task found.

    Args:
        task: ``interaction`` or ``control``.
        settings: Of the searches.
        runs: Genotypes by method and seed as text.
    """

    def __init__(
        self,
        task: str,
        settings: Mapping[str, Any],
        runs: Mapping[str, Mapping[str, list[str]]] | None = None,
    ) -> None:
        check_task(task)
        self.task = task
        self.settings = dict(settings)
        self.runs = {method: dict(found) for method, found in (runs or {}).items()}

    def add(self, method: str, seed: int, genotype: Genotype) -> None:
        """Enter one search."""
        self.runs.setdefault(method, {})[str(seed)] = list(genotype)

    def missing(self, seeds: int) -> list[tuple[str, int]]:
        """The searches that lack, seed by seed."""
        return [
            (method, seed)
            for seed in range(seeds)
            for method in METHODS
            if str(seed) not in self.runs.get(method, {})
        ]

    def genotypes(self, method: str) -> list[Genotype]:
        """What a method found, in the order of the seeds."""
        runs = self.runs.get(method, {})
        return [tuple(runs[seed]) for seed in sorted(runs, key=int)]


def read_study(path: str | PathLike) -> Study:
    """Read the searches of a task.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: It is none of them, or of another format.
    """
    document = read_document(path, _KEY, FORMAT, 'study of searches')
    return Study(document['task'], document['settings'], document['runs'])


def write_study(path: str | PathLike, study: Study) -> None:
    """Write the searches of a task so that there is never half a file; its folder is made."""
    content = {_KEY: FORMAT, 'task': study.task, 'settings': study.settings, 'runs': study.runs}
    write_document(path, content)
