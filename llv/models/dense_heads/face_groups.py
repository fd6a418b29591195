"""What the output channels of a face head mean: groups of anchors, and max-out over classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

MAX_OUT = (None, 's3fd', 'pyramidbox', 'dsfd')


@dataclass(frozen=True)
class AnchorGroup:
    """One set of anchors with its own outputs and its own loss.

    Args:
        name: ``face``, ``head``, ``body`` …; the losses of every group but the first end in ``_<name>``.
        first_level: Finest level with this group; all coarser levels have it too.
        anchor_scale: Factor on the head's ``anchor_sizes``.
        target_scale: Factor on width and height of the ground truth, about its centre.
        loss_weight: Weight of the group's losses.
    """

    name: str
    first_level: int = 0
    anchor_scale: float = 1.0
    target_scale: float = 1.0
    loss_weight: float = 1.0


def read_groups(groups: Sequence[dict[str, Any]], num_levels: int) -> tuple[AnchorGroup, ...]:
    """Groups from their configs.

    Raises:
        ValueError: There is none, a key is unknown, a name is there twice, a scale is not positive, or the first
            group, the one that predicts, lacks a level or grows its targets.
    """
    known = {field.name for field in fields(AnchorGroup)}
    for group in groups:
        if 'name' not in group or not known.issuperset(group):
            raise ValueError(
                f'`groups` need a `name` and may have {", ".join(sorted(known - {"name"}))}, but got '
                f'{dict(group)}; correct the keys.'
            )
    read = tuple(AnchorGroup(**group) for group in groups)
    if not read or read[0].first_level != 0 or read[0].target_scale != 1:
        raise ValueError(
            '`groups` must begin with the group that predicts faces, with `first_level=0` and `target_scale=1`.'
        )
    if len({group.name for group in read}) != len(read):
        raise ValueError('`groups` must have different names, because their losses are named so.')
    for group in read:
        if (
            not 0 <= group.first_level < num_levels
            or min(group.anchor_scale, group.target_scale) <= 0
        ):
            raise ValueError(
                f'`groups`: `{group.name}` needs a `first_level` from 0 to {num_levels - 1} and positive scales.'
            )
    return read


def class_channels(max_out: str | None, level: int, group: int) -> tuple[slice, slice]:
    """Channels of background and of face within a group's class channels, in the official order.

    Where one of the two has three channels, their maximum counts. Three backgrounds belong to the finest level, where
    false alarms are most; three faces to the others (max-in-out).

    Args:
        max_out: ``s3fd``: three backgrounds on level 0. ``pyramidbox``: the same for every group; three faces, behind
            the background, for the first group elsewhere. ``dsfd``: three backgrounds on level 0; three faces, before
            the background, for the first group elsewhere. None: none of it.
        level: Index of the feature map, the finest being 0.
        group: Index of the group.
    """
    if level == 0 and (max_out == 'pyramidbox' or (max_out is not None and group == 0)):
        return slice(0, 3), slice(3, 4)
    if level > 0 and group == 0 and max_out == 'pyramidbox':
        return slice(0, 1), slice(1, 4)
    if level > 0 and group == 0 and max_out == 'dsfd':
        return slice(3, 4), slice(0, 3)
    return slice(0, 1), slice(1, 2)


def count_channels(channels: tuple[slice, slice]) -> int:
    """Number of class channels that a group has."""
    return max(part.stop for part in channels)


def grow_boxes(boxes: Tensor, scale: float) -> Tensor:
    """Boxes (n, 4) ``x1, y1, x2, y2`` scaled about their centres; the same tensor for a scale of 1."""
    if scale == 1:
        return boxes
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) * (scale / 2)
    return torch.cat([centre - half, centre + half], dim=1)
