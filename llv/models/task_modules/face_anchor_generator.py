"""One anchor a cell, as the face detectors have it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.task_modules import AnchorGenerator
from torch import Tensor

from llv.registry import TASK_UTILS


@TASK_UTILS.register_module()
class FaceAnchorGenerator(AnchorGenerator):
    """One anchor a cell and level, centred at ``(column + 0.5) · stride, (row + 0.5) · stride``.

    For a size s and a ratio r = height / width the anchor is s / √r wide and s · √r high (S3FD: r = 1; DSFD: 1.5).
    Anchors are corners ``x1, y1, x2, y2`` in pixels of the network's input and may reach beyond the picture.

    Args:
        strides: Stride of each level in pixels.
        sizes: Side of each level's anchor in pixels, as many as strides.
        ratio: Height / width.
        clamp: Cut every anchor's centre, width and height to the picture, as the DSFD release does; see :meth:`fit`.

    Raises:
        ValueError: ``sizes`` and ``strides`` differ in number, or a number is not positive.
    """

    def __init__(
        self,
        strides: Sequence[int],
        sizes: Sequence[float],
        ratio: float = 1.0,
        clamp: bool = False,
    ) -> None:
        if len(sizes) != len(strides):
            raise ValueError(
                f'`sizes` must name one anchor for each of the {len(strides)} strides, but got {len(sizes)}.'
            )
        if min(*sizes, *strides, ratio) <= 0:
            raise ValueError('`sizes`, `strides` and `ratio` must be positive.')
        super().__init__(
            strides=list(strides),
            ratios=[ratio],
            scales=[1],
            base_sizes=list(sizes),
            # mmdet's default puts the centre on the corner of the cell
            centers=[(stride / 2, stride / 2) for stride in strides],
        )
        self.clamp = clamp

    def fit(self, anchors: Tensor, img_shape: Sequence[int]) -> Tensor:
        """Anchors as they are used on a picture: cut to it with ``clamp``, else the same tensor.

        The centre form is cut, not the corners: an anchor larger than the picture gets the picture's width or height
        about its centre, and still reaches beyond the border. Centres lie outside only in the last row or column of a
        map whose stride does not divide the picture.

        Args:
            anchors: (n, 4) corners.
            img_shape: Height and width of the picture in the network's input.
        """
        if not self.clamp:
            return anchors
        limit = anchors.new_tensor([img_shape[1], img_shape[0]])
        centre = torch.minimum((anchors[:, :2] + anchors[:, 2:]) / 2, limit)
        half = torch.minimum(anchors[:, 2:] - anchors[:, :2], limit) / 2
        return torch.cat([centre - half, centre + half], dim=1)
