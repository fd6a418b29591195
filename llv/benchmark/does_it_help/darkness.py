"""How dark pictures are, and groups of them from dark to bright."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # Rec. 601, on the coded values


@dataclass(frozen=True)
class DarknessGroup:
    """Pictures of about one luminance.

    Attributes:
        low, high: Lowest and highest mean luminance in it, in 8-bit levels.
        members: (M,) indices of its pictures.
    """

    low: float
    high: float
    members: np.ndarray


def mean_luminance(picture: Tensor, meta: Mapping[str, Any], channel_order: str = 'bgr') -> float:
    """Mean luma (Rec. 601) of the picture that a model is given, before any enhancer.

    Args:
        picture: (3, H, W) in 0..255, uint8 or float (clamped), as the data loader gave it.
        meta: Of its sample: what lies outside of ``img_shape``, or of ``ori_shape`` times ``scale_factor``, was
            padded by the pipeline and does not count.
        channel_order: ``'bgr'`` or ``'rgb'``.

    Returns:
        In 8-bit levels, 0 to 255.
    """
    height, width = picture.shape[-2:]
    if 'img_shape' in meta:
        height, width = min(height, meta['img_shape'][0]), min(width, meta['img_shape'][1])
    if 'ori_shape' in meta and 'scale_factor' in meta:
        across, down = (float(factor) for factor in tuple(meta['scale_factor'])[:2])
        height = min(height, max(1, round(meta['ori_shape'][0] * down)))
        width = min(width, max(1, round(meta['ori_shape'][1] * across)))
    part = picture[:, :height, :width].to(torch.float64).clamp(0, 255)
    red, green, blue = part.mean((1, 2)).tolist()[:: 1 if channel_order == 'rgb' else -1]
    return _RED * red + _GREEN * green + _BLUE * blue


def group_by_darkness(luminance: np.ndarray, groups: int) -> list[DarknessGroup]:
    """Groups of as many pictures each as equal luminances allow, darkest first.

    Args:
        luminance: (N,).
        groups: How many; there are fewer where one luminance fills more than its share.
    """
    order = np.argsort(luminance, kind='stable')
    # where one luminance ends; equal pictures stay together
    ends = np.flatnonzero(np.diff(luminance[order]) > 0) + 1
    cuts = set()
    for share in np.arange(1, groups) * len(order) / groups:
        if len(ends):
            cuts.add(int(ends[np.abs(ends - share).argmin()]))
    return [
        DarknessGroup(float(luminance[part[0]]), float(luminance[part[-1]]), np.sort(part))
        for part in np.split(order, sorted(cuts))
    ]
