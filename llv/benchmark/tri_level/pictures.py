"""The study's figures: hyper-variables on their way, and what the modulators do to features."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from torch import Tensor, nn

from llv.registry import DATASETS, MODELS
from llv.visualization.curves import read_scalars
from llv.visualization.hyper_variables import plot_hyper_variables

# of the test picture that features are shown of, in the middle of its scene's five
_EV = -3.5


def convergence_figure(folders: Sequence[Path], title: str) -> Figure | None:
    """ς and Φ over the iterations, means over trainings that differ in their seed.

    Args:
        folders: Work folders of the trainings.
        title: Set above.

    Returns:
        None where no folder has a log.
    """
    logs = [log for folder in folders if (log := read_scalars(folder))]
    if not logs:
        return None
    return plot_hyper_variables(mean_log(logs), title)


def mean_log(logs: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, float]]:
    """The mean of several logs at the steps that all of them have."""
    by_step = [{record['step']: record for record in log} for log in logs]
    steps = sorted(set.intersection(*(set(log) for log in by_step)))
    means = []
    for step in steps:
        records = [log[step] for log in by_step]
        keys = [
            key
            for key, value in records[0].items()
            if isinstance(value, (int, float)) and all(key in other for other in records)
        ]
        means.append({key: statistics.fmean(r[key] for r in records) for key in keys})
    return means


def modulated(enhancer: nn.Module, images: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Features before and after each modulator of a TriCo.

    Args:
        enhancer: ``llv.TriCo`` with modulators.
        images: (1, 3, H, W) RGB in [0, 1].

    Returns:
        Mean absolute activations over the channels, (h, w) for each level from fine to coarse, before and after, and
        the result, (1, 3, s·H, s·W).
    """
    before: dict[int, Tensor] = {}
    after: dict[int, Tensor] = {}
    handles = []
    for level, modulator in enumerate(enhancer.refiner.modulators):

        def keep(module: nn.Module, given: tuple, found: Tensor, level: int = level) -> None:
            before[level] = given[0][0].abs().mean(0)
            after[level] = found[0].abs().mean(0)

        handles.append(modulator.register_forward_hook(keep))
    try:
        with torch.no_grad():
            result = enhancer.eval()(images).image
    finally:
        for handle in handles:
            handle.remove()
    levels = range(len(handles))
    return [before[k] for k in levels], [after[k] for k in levels], result


def features_figure(cfg: Config, weights: Path) -> Figure:
    """A test picture, what the modulators get and what they give, and the result.

    Args:
        cfg: Of the training.
        weights: Of its enhancer.
    """
    with torch.random.fork_rng(devices=[]):
        enhancer = MODELS.build(cfg.model.enhancer)
    enhancer.load_state_dict(torch.load(weights, map_location='cpu', weights_only=True))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    index = next((i for i in range(len(dataset)) if dataset.get_data_info(i)['ev'] == _EV), 0)
    images = dataset[index]['inputs'].flip(0)[None].float() / 255
    before, after, result = modulated(enhancer, images)
    figure = Figure(figsize=(9, 3.9), layout='constrained')
    grid = figure.subplots(2, 1 + len(before))
    for axes, picture, name in (
        (grid[0, 0], images, 'dark'),
        (grid[1, 0], result, 'result'),
    ):
        axes.imshow(picture[0].permute(1, 2, 0).numpy())
        axes.set_title(name, fontsize='small')
    for level, maps in enumerate(zip(before, after, strict=True)):
        both = np.stack([m.numpy() for m in maps])
        for row, name in enumerate(('before', 'after')):
            axes = grid[row, 1 + level]
            # one range for both, or the colours would hide a change of the whole level
            axes.imshow(both[row], vmin=both.min(), vmax=both.max(), cmap='magma')
            axes.set_title(f'level {level + 1}, {name}', fontsize='small')
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, the same bytes for the same data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.png':
        figure.savefig(path, dpi=100, metadata={'Software': None})
        return
    with mpl.rc_context({'svg.hashsalt': 'llv', 'svg.fonttype': 'none'}):
        figure.savefig(path, format='svg', metadata={'Date': None})
