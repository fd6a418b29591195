"""Box voting: overlapping detections become their mean."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def vote_boxes(
    bboxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    drop_singletons: bool = False,
    max_per_img: int = 750,
) -> tuple[Tensor, Tensor]:
    """Merge detections of one class by voting, as the test scripts of the face detectors do.

    The best box and all that overlap it enough form a group, which becomes one box: the mean of its members weighted by
    their scores, with the score of the best. Then the same with what is left.

    Args:
        bboxes: (n, 4) ``x1, y1, x2, y2``.
        scores: (n,), not negative.
        iou_threshold: IoU from which a box belongs to a group; areas are plain, without an extra pixel.
        drop_singletons: Leave out groups of one, except the very last group, as the published scripts do. A face that a
            single view found is lost then.
        max_per_img: The most groups that are kept, best first.

    Returns:
        Boxes (m, 4) and scores (m,), best first, on the device and of the type of the given ones.

    Raises:
        ValueError: ``iou_threshold`` does not lie in (0, 1], or ``max_per_img`` is less than 1.
    """
    if not 0 < iou_threshold <= 1:
        raise ValueError(f'`iou_threshold` must lie in (0, 1], but got {iou_threshold}.')
    if max_per_img < 1:
        raise ValueError(f'`max_per_img` must be at least 1, but got {max_per_img}.')
    boxes = bboxes.detach().cpu().double().numpy()
    weights = scores.detach().cpu().double().numpy()
    order = np.argsort(-weights, kind='stable')
    # one row a coordinate: the loop below reads columns of boxes again and again
    boxes, weights = boxes[order].T, weights[order]
    areas = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1])
    voted = []
    while len(weights) and len(voted) < max_per_img:
        width = np.minimum(boxes[2, 0], boxes[2]) - np.maximum(boxes[0, 0], boxes[0])
        height = np.minimum(boxes[3, 0], boxes[3]) - np.maximum(boxes[1, 0], boxes[1])
        shared = width.clip(0) * height.clip(0)
        group = shared >= iou_threshold * (areas[0] + areas - shared)
        group[0] = True  # also without an area
        left = ~group
        members = np.count_nonzero(group)
        if members > 1 or not drop_singletons or members == len(weights):
            share = weights[group]
            # all scores zero: the plain mean
            share = share / share.sum() if share.sum() > 0 else np.full(members, 1 / members)
            voted.append([*(boxes[:, group] @ share), weights[0]])
        boxes, weights, areas = boxes[:, left], weights[left], areas[left]
    merged = torch.tensor(voted, dtype=torch.float64).reshape(-1, 5)
    return merged[:, :4].to(bboxes), merged[:, 4].to(scores)
