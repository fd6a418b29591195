"""How hard each loss pulls at a network that was trained by their weighted sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from llv.models.data_preprocessors.references import stack_references
from llv.registry import DATASETS, MODELS

PICTURES = 10
"""Of the scenes that are neither trained nor tested on: two scenes in five exposures."""


def held_pictures(cfg: Config, count: int = PICTURES) -> tuple[Tensor, Tensor]:
    """The first pictures of the split ``val``, whole, with their references.

    Args:
        cfg: Of the host, on ``llv.RELLISURDataset``.
        count: How many; fewer where there are not so many.

    Returns:
        (N, 3, H, W) and (N, 3, s·H, s·W) RGB in [0, 1].
    """
    preprocess = MODELS.build(
        cfg.model.get('data_preprocessor') or dict(type='llv.PictureDataPreprocessor')
    )
    dataset = DATASETS.build({**cfg.test_dataloader.dataset, 'subset': 'val'})
    samples = [dataset[i] for i in range(min(count, len(dataset)))]
    data = preprocess(pseudo_collate(samples))
    images = torch.stack(list(data['inputs']))
    return images, stack_references(data['data_samples'], range(len(images)))


def pulls(enhancer: nn.Module, images: Tensor, references: Tensor) -> dict[str, dict[str, Any]]:
    """Each loss L_u of Φ = Σ w_u L_u + …, with w_u = 1 / (2 ς_u^p), where training ended.

    Args:
        enhancer: With a ``scene_loss`` like ``llv.TriCoLoss``; no gradients are left behind.
        images, references: One batch.

    Returns:
        By name ``hyper`` (ς), ``weight`` (w), ``value`` (L) and ``gradient``, the length of ∇_ω L. ``share`` is the
        part of w · ‖∇_ω L‖ in the sum over all losses, ``share_of_value`` that of w · L.
    """
    criterion = enhancer.scene_loss
    parameters = [p for p in enhancer.parameters() if p.requires_grad]
    values = criterion.values(enhancer(images), images, references)
    found = {}
    for name, value in values.items():
        gradients: Sequence[Tensor | None] = [None] * len(parameters)
        if value.requires_grad:
            gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        length = math.hypot(*(g.norm().item() for g in gradients if g is not None))
        hyper = criterion.hyper[name].item()
        found[name] = dict(
            hyper=hyper,
            weight=1 / (2 * hyper**criterion.weight_power),
            value=value.item(),
            gradient=length,
        )
    for key, of in (('share', 'gradient'), ('share_of_value', 'value')):
        total = sum(part['weight'] * part[of] for part in found.values())
        for part in found.values():
            part[key] = part['weight'] * part[of] / total if total else 0.0
    return found
