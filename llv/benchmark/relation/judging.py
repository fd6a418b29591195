"""What is measured about losses and modules beside the results: lengths of gradients, and what a module relates by."""

from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor

from llv.engine.seeded_sampler import seeded
from llv.models.data_preprocessors.references import stack_references
from llv.models.losses.frequency import phase_distance
from llv.models.regularizers.batch_correlation_module import BatchCorrelationModule
from llv.models.regularizers.diagnostics import (
    Reactions,
    cross_gradient_ratio,
    mean_reactions,
    reactions,
)
from llv.models.regularizers.module_file import read_module
from llv.registry import DATASETS, MODELS

BATCHES = 8
_EXCHANGES = 4  # batches of each exposure; a pass through the wide transformer is slow, and each takes 4 · batch + 1
_SEED = 20230617  # of their crops and order, the same for all arms and seeds

Loss = Callable[[Tensor, Tensor], Mapping[str, Tensor]]


def held_batches(
    cfg: Config, batch: int, subset: str, count: int = BATCHES
) -> list[tuple[Tensor, Tensor]]:
    """Pictures of scenes that the host is not trained on, with their references, cropped and turned as in training.

    Args:
        cfg: Of the host.
        batch: Pictures a batch.
        subset: ``'val'`` or ``'test'``.
        count: Batches; fewer where there are not so many scenes.

    Returns:
        (images, references), (batch, 3, H, W) RGB in [0, 1] each, both exposures mixed.

    Raises:
        ValueError: There is no whole batch.
    """
    preprocess = MODELS.build(
        cfg.model.get('data_preprocessor') or dict(type='llv.PictureDataPreprocessor')
    )
    with seeded(_SEED):
        dataset = DATASETS.build({**cfg.train_dataloader.dataset, 'subset': subset})
        order = torch.randperm(len(dataset)).tolist()
        batches = []
        for k in range(min(count, len(order) // batch)):
            samples = [dataset[i] for i in order[k * batch : (k + 1) * batch]]
            data = preprocess(pseudo_collate(samples))
            images = torch.stack(list(data['inputs']))
            references = stack_references(data['data_samples'], list(range(len(images))))
            batches.append((images, references))
    if not batches:
        raise ValueError(
            f'The split `{subset}` fills no batch of {batch}; write more scenes of it.'
        )
    return batches


def gradient_norms(
    cfg: Config,
    points: Sequence[Path],
    losses: Mapping[str, Loss],
    batches: Sequence[tuple[Tensor, Tensor]],
) -> dict[str, list[float]]:
    """Length of the gradient of some losses with respect to the result of a host, along its training.

    Args:
        cfg: Of the host.
        points: Weights of its enhancer at some iterations.
        losses: By name.
        batches: What it is asked for.

    Returns:
        For each loss the mean over the batches at each point.
    """
    model = copy.deepcopy(cfg.model)
    with torch.random.fork_rng(devices=[]):
        enhancer = MODELS.build(model.enhancer).eval()
    norms: dict[str, list[float]] = {name: [] for name in losses}
    for point in points:
        enhancer.load_state_dict(torch.load(point, map_location='cpu', weights_only=True))
        with torch.no_grad():
            results = [enhancer(images).image for images, _ in batches]
        for name, loss in losses.items():
            lengths = []
            for result, (_, references) in zip(results, batches, strict=True):
                leaf = result.clone().requires_grad_()
                (gradient,) = torch.autograd.grad(sum(loss(leaf, references).values()), leaf)
                lengths.append(gradient.norm().item())
            norms[name].append(statistics.fmean(lengths))
    return norms


def held_exposures(cfg: Config, subset: str) -> Tensor:
    """Scenes that the host is not trained on, in three exposures, cropped and turned as in training.

    Args:
        cfg: Of the host, on a data set whose option ``exposure`` takes one of two, such as ``llv.SICEDataset``.
        subset: ``'val'`` or ``'test'``.

    Returns:
        (3, scenes, 3, H, W) RGB in [0, 1]: under-exposed, the references, over-exposed; the crop is that of the scene.

    Raises:
        ValueError: The two exposures do not show the same scenes, one picture each.
    """
    preprocess = MODELS.build(
        cfg.model.get('data_preprocessor') or dict(type='llv.PictureDataPreprocessor')
    )
    pictures, references = [], []
    for exposure in ('under', 'over'):
        options = {**cfg.train_dataloader.dataset, 'subset': subset, 'exposure': exposure}
        dataset = DATASETS.build(options)
        samples = []
        for i in range(len(dataset)):
            with seeded(_SEED, i):  # both exposures get one crop
                samples.append(dataset[i])
        data = preprocess(pseudo_collate(samples))
        pictures.append(torch.stack(list(data['inputs'])))
        references.append(stack_references(data['data_samples'], list(range(len(samples)))))
    if not torch.equal(*references):
        raise ValueError(
            f'The split `{subset}` must have one under- and one over-exposed picture of each scene; complete it.'
        )
    return torch.stack([pictures[0], references[0], pictures[1]])


def judge_module(
    module: BatchCorrelationModule,
    batches: Sequence[tuple[Tensor, Tensor]],
    exposures: Tensor,
) -> dict[str, float | None]:
    """What the relation of a sample depends on.

    Args:
        module: Encoder and transformer, in evaluation mode.
        batches: See :func:`held_batches`; their well-lit pictures are taken.
        exposures: See :func:`held_exposures`.

    Returns:
        ``cross``: how much it depends on the others, against on itself, on well-lit pictures. ``exposure`` and
        ``content``: how far it moves when another sample of the batch is shown in another exposure, or is another
        scene in the same exposure. ``reaction``: their ratio, ``reaction_by_change``: the same, each by the change of
        pixels that it took; None where nothing moves it. See :mod:`llv.models.regularizers.diagnostics`.
    """
    pictures = [references for _, references in batches]
    cross = [cross_gradient_ratio(module, images, probes=4) for images in pictures[:2]]
    moved = judge_reactions(module, exposures, len(pictures[0]))
    ratios = dict(reaction=moved.ratio, reaction_by_change=moved.ratio_by_change)
    return dict(
        cross=statistics.fmean(cross),
        exposure=moved.exposure,
        content=moved.content,
        **{name: value if math.isfinite(value) else None for name, value in ratios.items()},
    )


def judge_reactions(module: BatchCorrelationModule, exposures: Tensor, batch: int) -> Reactions:
    """Exchange exposures and scenes in batches of each of the three exposures.

    The other exposures of a scene are the other two of it; its other contents, two other scenes, those of the batches
    before and after it.

    Args:
        module: Encoder and transformer, in evaluation mode.
        exposures: See :func:`held_exposures`.
        batch: Scenes a batch.

    Raises:
        ValueError: There are fewer scenes than in two batches.
    """
    count = exposures.shape[1]
    if count < 2 * batch:
        raise ValueError(
            f'{count} scenes are too few to exchange those of a batch of {batch}; write at least {2 * batch}.'
        )
    found = []
    for k, pictures in enumerate(exposures):
        for first in range(0, count - batch + 1, batch)[:_EXCHANGES]:
            part = slice(first, first + batch)
            others = [exposures[other, part] for other in range(len(exposures)) if other != k]
            contents = [pictures.roll(shift, 0)[part] for shift in (batch, -batch)]
            found.append(reactions(module, pictures[part], others, contents))
    return mean_reactions(found)


@torch.no_grad()
def judge_stages(weights: str, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
    """How well the two stages were trained, on well-lit pictures that they never saw.

    Args:
        weights: Result of the second stage.
        batches: See :func:`held_batches`.

    Returns:
        ``reconstruction``: mean absolute error of encoder and decoder alone. ``phase_before`` and ``phase``: distance
        of the phases, around the circle, without and with the transformer. ``fusion_own`` and ``fusion_related``: norms
        of the two halves of the fusion.
    """
    with torch.random.fork_rng(devices=[]):
        parts = ('encoder', 'transformer', 'fusion', 'decoder')
        module = read_module(weights, None, parts).eval()
    found: dict[str, list[float]] = dict(reconstruction=[], phase_before=[], phase=[])
    for _, pictures in batches:
        plain = module.reconstruct(pictures)
        found['reconstruction'].append((plain - pictures).abs().mean().item())
        found['phase_before'].append(phase_distance(plain, pictures, True).item())
        found['phase'].append(phase_distance(module(pictures), pictures, True).item())
    own, related = module.fusion.weight.chunk(2, dim=1)
    halves = dict(fusion_own=own.norm().item(), fusion_related=related.norm().item())
    return {**{name: statistics.fmean(values) for name, values in found.items()}, **halves}
