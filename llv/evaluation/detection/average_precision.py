"""Matching of detections with objects, and average precision, as PASCAL VOC defines them.

The numbers are those of mmdet's ``eval_map``, in double precision and without a pool of processes:
each detection belongs to the object that it overlaps most, and the best-scored one of an object counts.
"""

from __future__ import annotations

import numpy as np

from .curves import Curve

TRUE, FALSE, IGNORED = 1, 0, -1


def box_areas(boxes: np.ndarray, plus_one: bool = False) -> np.ndarray:
    """Areas of boxes.

    Args:
        boxes: (N, 4) corners x1, y1, x2, y2.
        plus_one: Count both border pixels: widths are x2 − x1 + 1.
    """
    return (boxes[:, 2] - boxes[:, 0] + plus_one) * (boxes[:, 3] - boxes[:, 1] + plus_one)


def box_overlaps(boxes: np.ndarray, others: np.ndarray, plus_one: bool = False) -> np.ndarray:
    """Intersection over union of every box with every other one.

    Args:
        boxes: (N, 4) corners x1, y1, x2, y2.
        others: (M, 4).
        plus_one: As for :func:`box_areas`.

    Returns:
        (N, M) float64.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    upper = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    lower = np.maximum(boxes[:, None, :2], others[None, :, :2])
    common = np.clip(upper - lower + plus_one, 0, None).prod(-1)
    union = box_areas(boxes, plus_one)[:, None] + box_areas(others, plus_one)[None] - common
    return common / np.maximum(union, 1e-6)  # mmdet's bound: a pair without area overlaps by 0


def best_targets(overlaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The object that each detection overlaps most.

    Args:
        overlaps: (N, M) of N detections with M objects; M may be 0.

    Returns:
        Its overlap (N,), −1 where there are no objects, and its index (N,), the first of equals.
    """
    if overlaps.shape[1] == 0:
        return np.full(len(overlaps), -1.0), np.zeros(len(overlaps), np.intp)
    targets = overlaps.argmax(1)
    return overlaps[np.arange(len(overlaps)), targets], targets


def judge(
    scores: np.ndarray,
    overlaps: np.ndarray,
    targets: np.ndarray,
    ignored: np.ndarray,
    iou_thr: float,
    outside: np.ndarray | None = None,
) -> np.ndarray:
    """Which detections of a picture are right.

    Args:
        scores: (N,).
        overlaps, targets: (N,) as from :func:`best_targets`.
        ignored: (M,) bool, objects that are neither to be found nor to be missed.
        iou_thr: The overlap that a detection needs.
        outside: (N,) bool, detections that are no mistake when they meet nothing, such as those of
            another size than is being measured.

    Returns:
        (N,) int8: ``TRUE`` for the best-scored detection of each object, ``IGNORED`` where it met an
        ignored object or nothing while `outside`, else ``FALSE``.
    """
    hit = overlaps >= iou_thr
    verdicts = np.full(len(scores), FALSE, np.int8)
    on_ignored = hit.copy()
    on_ignored[hit] = ignored[targets[hit]]
    verdicts[on_ignored] = IGNORED
    if outside is not None:
        verdicts[~hit & outside] = IGNORED
    candidates = np.flatnonzero(hit & ~on_ignored)
    candidates = candidates[np.argsort(-scores[candidates], kind='stable')]
    _, first = np.unique(targets[candidates], return_index=True)
    verdicts[candidates[first]] = TRUE
    return verdicts


def precision_recall(
    scores: np.ndarray, verdicts: np.ndarray, objects: int, mode: str = 'area'
) -> Curve:
    """The precision-recall curve of a class over all pictures.

    Args:
        scores, verdicts: (N,) of all its detections, in any order; ignored ones leave no point.
        objects: How many objects there are to find.
        mode: As for :func:`average_precision`.

    Returns:
        One point a detection, from the highest score down; ``ap`` is None if there are no objects.
    """
    scores, verdicts = scores[verdicts != IGNORED], verdicts[verdicts != IGNORED]
    order = np.argsort(-scores, kind='stable')
    found = np.cumsum(verdicts[order] == TRUE)
    recall = found / max(objects, 1)
    precision = found / np.arange(1, len(found) + 1)
    ap = average_precision(recall, precision, mode) if objects else None
    return Curve(recall, precision, scores[order], ap)


def average_precision(recall: np.ndarray, precision: np.ndarray, mode: str = 'area') -> float:
    """One number for a precision-recall curve.

    Args:
        recall: (N,) in ascending order.
        precision: (N,).
        mode: ``'area'`` under the monotone envelope (VOC 2010 and later) or ``'11points'``, the mean of
            the envelope at recalls 0, 0.1, …, 1 (VOC 2007).

    Returns:
        0..1; 0 for an empty curve.

    Raises:
        ValueError: `mode` is another.
    """
    if mode not in ('area', '11points'):
        raise ValueError(f"`mode` must be 'area' or '11points', but got {mode!r}.")
    if not len(recall):
        return 0.0
    envelope = np.maximum.accumulate(np.asarray(precision)[::-1])[::-1]
    if mode == 'area':
        return float((np.diff(recall, prepend=0.0) * envelope).sum())
    # rounded as in mmdet, where the point 0.3 lies a hair above three tenths
    places = np.searchsorted(recall, np.arange(0, 1 + 1e-3, 0.1), side='left')
    return float(np.append(envelope, 0.0)[places].sum() / 11)
