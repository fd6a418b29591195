"""How FDDB's evaluation compares detections with faces, and what it counts.

Rules of the official evaluation (V. Jain and E. Learned-Miller, "FDDB: A benchmark for face detection in unconstrained
settings", UM-CS-2010-009), pixel by pixel and score by score, without drawing a detection or solving an assignment
twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from llv.datasets.detection.fddb_files import ellipse_boxes

try:
    from scipy.optimize import linear_sum_assignment
except ImportError:
    linear_sum_assignment = None


@dataclass(frozen=True)  # mmengine makes plain tuples of named ones among a metric's results
class Counts:
    """What a picture contributes at each of its own distinct scores, highest score first.

    Attributes:
        scores: (K,) distinct scores, falling.
        valid: (K,) detections with at least this score.
        discrete: (K,) assigned pairs with an overlap above 0.5.
        continuous: (K,) sum of the overlaps of the assigned pairs.
    """

    scores: np.ndarray
    valid: np.ndarray
    discrete: np.ndarray
    continuous: np.ndarray


class Roc(NamedTuple):
    """True-positive rates over false positives, thresholds rising.

    Attributes:
        thresholds: (K,) scores.
        false_positives: (K,) numbers of false positives, the same for both rates.
        discrete: (K,) share of the faces found.
        continuous: (K,) sum of overlaps divided by the number of faces.
    """

    thresholds: np.ndarray
    false_positives: np.ndarray
    discrete: np.ndarray
    continuous: np.ndarray


def draw_ellipse(ellipse: Sequence[float], height: int, width: int) -> np.ndarray:
    """The pixels of a face on the canvas of its picture.

    The centre is rounded, the semi-axes are truncated to whole pixels, and what lies outside of the canvas is lost.

    Args:
        ellipse: major, minor, angle (radians, y down), x, y.
        height: Height of the canvas.
        width: Width of the canvas.

    Returns:
        (height, width) uint8, 1 inside.
    """
    major, minor, angle, x, y = ellipse
    canvas = np.zeros((height, width), np.uint8)
    centre, axes = (round(x), round(y)), (int(major), int(minor))
    return cv2.ellipse(canvas, centre, axes, float(np.degrees(angle)), 0, 360, 1, cv2.FILLED)


def pixel_overlaps(
    boxes: np.ndarray, ellipses: Sequence[Sequence[float]], height: int, width: int
) -> np.ndarray:
    """Pixels in both over pixels in either, of rectangles and ellipses drawn on the picture's canvas.

    A rectangle is filled from its truncated first corner to its truncated last one, both included; how corners become
    whole is not part of the published description, truncation is our reading. Rectangles are never drawn: a table of
    sums of each ellipse gives the pixels in both.

    Args:
        boxes: (N, 4) left, top, width, height.
        ellipses: M times major, minor, angle, x, y.
        height: Height of the picture.
        width: Width of the picture.

    Returns:
        (N, M) float64 in [0, 1].
    """
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    limits = np.array([width, height])
    first = np.clip(np.trunc(boxes[:, :2]), 0, limits).astype(int)
    # one past the last pixel
    last = np.clip(np.trunc(boxes[:, :2] + boxes[:, 2:]) + 1, 0, limits).astype(int)
    last = np.maximum(first, last)
    areas = (last - first).prod(1)
    overlaps = np.zeros((len(boxes), len(ellipses)))
    for column, ellipse in enumerate(ellipses):
        drawn = draw_ellipse(ellipse, height, width)
        left, top, columns, rows = cv2.boundingRect(drawn)
        if not columns:  # the face lies outside of the canvas
            continue
        sums = cv2.integral(drawn[top : top + rows, left : left + columns])
        x1, y1 = np.clip(first - (left, top), 0, (columns, rows)).T
        x2, y2 = np.clip(last - (left, top), 0, (columns, rows)).T
        both = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
        either = areas + sums[-1, -1] - both
        np.divide(both, either, out=overlaps[:, column], where=either > 0)
    return overlaps


def box_overlaps(
    boxes: np.ndarray, ellipses: Sequence[Sequence[float]], height: int, width: int
) -> np.ndarray:
    """Overlaps of rectangles and the bounding rectangles of ellipses, both cut at the border of the picture.

    An approximation that gives other numbers than :func:`pixel_overlaps`; same arguments and result.
    """
    limits = np.array([width, height] * 2, float)
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    found = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1).clip(0, limits)[:, None]
    faces = ellipse_boxes(ellipses).clip(0, limits)[None]
    sides = np.minimum(found[..., 2:], faces[..., 2:]) - np.maximum(found[..., :2], faces[..., :2])
    both = sides.clip(0).prod(-1)
    either = sum((b[..., 2:] - b[..., :2]).clip(0).prod(-1) for b in (found, faces)) - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def count_matches(overlaps: np.ndarray, scores: np.ndarray) -> Counts:
    """Count the matches of one picture at each of its scores.

    At a score, all detections from it upwards and all faces are assigned one to one so that the sum of overlaps is
    largest. A detection that comes in moves an optimal assignment along one path, which holds besides itself only
    detections that were assigned before; and faces that no detection joins have nothing to do with each other. So each
    step solves no more than the faces around the new detection and one detection more than these.

    Args:
        overlaps: (N, M) of detections and faces.
        scores: (N,) of the detections.

    Returns:
        Counts at the distinct scores.
    """
    order = np.argsort(-scores, kind='stable')
    scores, overlaps = scores[order], overlaps[order]
    discrete, continuous = np.zeros(len(scores), int), np.zeros(len(scores))
    for faces in _groups(overlaps > 0):
        if len(faces) == 1:
            # the best detection so far has the face
            best = np.maximum.accumulate(overlaps[:, faces[0]])
            discrete += best > 0.5
            continuous += best
        else:
            _count_group(overlaps[:, faces], discrete, continuous)
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else []
    ends = np.asarray(ends, int)
    return Counts(scores[ends], ends + 1, discrete[ends], continuous[ends])


def _groups(touches: np.ndarray) -> Iterator[list[int]]:
    """Faces that detections join, directly or through others; faces that nothing touches are left out."""
    group = np.where(touches.any(0), np.arange(touches.shape[1]), -1)
    for row in touches[touches.sum(1) > 1]:
        joined = np.unique(group[row])
        group[np.isin(group, joined)] = joined[0]
    for label in np.unique(group[group >= 0]):
        yield np.flatnonzero(group == label).tolist()


def _count_group(overlaps: np.ndarray, discrete: np.ndarray, continuous: np.ndarray) -> None:
    """Add what several faces contribute, after each detection, to the counts of the picture."""
    assigned: list[int] = []
    pairs, total = 0, 0.0
    done = 0
    for row in np.flatnonzero(overlaps.any(1)):
        discrete[done:row] += pairs
        continuous[done:row] += total
        done = row
        candidates = [*assigned, row]
        weights = overlaps[candidates]
        rows, columns = assign(weights)
        gains = weights[rows, columns]
        assigned = [candidates[k] for k, gain in zip(rows, gains, strict=True) if gain > 0]
        pairs, total = int((gains > 0.5).sum()), float(gains.sum())
    discrete[done:] += pairs
    continuous[done:] += total


def assign(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-to-one assignment with the largest sum, of as many pairs as the smaller side has.

    SciPy's where it is installed.

    Args:
        weights: (N, M), not negative.

    Returns:
        Rows and columns of the pairs, rows rising.
    """
    if linear_sum_assignment is not None:
        return linear_sum_assignment(weights, maximize=True)
    return assign_plainly(weights)


def assign_plainly(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """:func:`assign` without SciPy: the Hungarian method with potentials, one row after the other."""
    if weights.shape[0] > weights.shape[1]:
        columns, rows = assign_plainly(weights.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    costs = -np.asarray(weights, float)
    rows, columns = costs.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    owner = np.full(
        columns + 1, -1
    )  # the row of each column; the last column is where a row starts
    for row in range(rows):
        owner[columns], here = row, columns
        least, before = np.full(columns, np.inf), np.full(columns, columns)
        visited = np.zeros(columns + 1, bool)
        while owner[here] >= 0:
            visited[here] = True
            slack = costs[owner[here]] - row_price[owner[here]] - column_price[:-1]
            better = ~visited[:-1] & (slack < least)
            least[better], before[better] = slack[better], here
            reachable = np.where(visited[:-1], np.inf, least)
            nearest = int(reachable.argmin())
            step = reachable[nearest]
            row_price[owner[visited]] += step
            column_price[visited] -= step
            least[~visited[:-1]] -= step
            here = nearest
        while here != columns:
            owner[here] = owner[before[here]]
            here = before[here]
    taken = np.flatnonzero(owner[:-1] >= 0)
    order = np.argsort(owner[taken])
    return owner[taken][order], taken[order]


def merge_counts(counts: Iterable[Counts], faces: int) -> Roc:
    """The curve of a whole set: at a threshold a picture contributes its counts at its smallest own score not below.

    Args:
        counts: Of each picture.
        faces: Number of faces in all pictures, those without detections included.

    Returns:
        One point for each distinct score of the set.
    """
    counts = list(counts)
    scores = np.concatenate([np.zeros(0), *(count.scores for count in counts)])
    order = np.argsort(-scores, kind='stable')

    def total(field: str) -> np.ndarray:
        """The sum over pictures, from what each score adds to the next higher one of its picture."""
        steps = [np.diff(getattr(count, field), prepend=0) for count in counts]
        return np.concatenate([np.zeros(0), *steps])[order].cumsum()

    scores = scores[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else order
    ends = ends[::-1]
    discrete = total('discrete')[ends]
    false_positives = total('valid')[ends] - discrete
    return Roc(
        scores[ends],
        false_positives.round().astype(int),
        discrete / faces,
        total('continuous')[ends] / faces,
    )


def rate_at(
    false_positives: np.ndarray, rates: np.ndarray, max_fp: float, interpolate: bool = False
) -> float:
    """The largest true-positive rate with at most ``max_fp`` false positives; 0 where there is none.

    Args:
        false_positives: (K,) of a curve.
        rates: (K,) of the same curve.
        max_fp: Number of false positives.
        interpolate: Between the points on both sides of ``max_fp``, in a straight line.
    """
    allowed = false_positives <= max_fp
    rate = float(rates[allowed].max(initial=0.0))
    if not interpolate or allowed.all():
        return rate
    start = float(false_positives[allowed].max(initial=0))
    end = float(false_positives[~allowed].min())
    beyond = float(rates[false_positives == end].max())
    return max(rate, rate + (beyond - rate) * (max_fp - start) / (end - start))
