"""Average precision as COCO defines it, of any choice of pictures, some of them several times.

pycocotools matches the detections of each picture with its objects, once. What remains is the order of all detections
by score, which no choice of pictures changes: a picture that is chosen w times has each of its detections
count w times.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# of a picture and class, the best-scored ones, as COCO's main figure
MAX_DETECTIONS = 100
# entries of the largest arrays while draws are reckoned
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Boxes:
    """What there is to find in a picture, or what was found.

    Attributes:
        boxes: (M, 4) left, top, width, height in pixels of the file.
        labels: (M,) integers.
        values: (M,) scores of detections; of objects, True where they are to be ignored (crowds).
    """

    boxes: np.ndarray
    labels: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class MatchedClass:
    """All detections of a class, best first, and how many objects of it each picture has.

    Attributes:
        pictures: (D,) index of the picture of each detection.
        right: (T, D) bool, whether it is the one that found an object, by threshold of overlap.
        counted: (T, D) bool, False where it met an ignored object.
        objects: (N,) in each picture, without ignored ones.
    """

    pictures: np.ndarray
    right: np.ndarray
    counted: np.ndarray
    objects: np.ndarray


@dataclass(frozen=True)
class MatchedPictures:
    """Detections matched with objects, ready for :meth:`scores`.

    Attributes:
        classes: Those that have an object.
        recalls: (R,) recalls at which precision is read.
    """

    classes: tuple[MatchedClass, ...]
    recalls: np.ndarray

    @property
    def objects(self) -> np.ndarray:
        """(N,) objects in each picture."""
        return np.sum([kind.objects for kind in self.classes], axis=0)

    def among(self, members: np.ndarray) -> MatchedPictures:
        """The same with nothing in pictures that are not among `members`, which then count in no choice."""
        inside = np.isin(np.arange(len(self.objects)), members)
        classes = []
        for kind in self.classes:
            kept = inside[kind.pictures]
            classes.append(
                MatchedClass(
                    kind.pictures[kept],
                    kind.right[:, kept],
                    kind.counted[:, kept],
                    kind.objects * inside,
                )
            )
        return MatchedPictures(tuple(classes), self.recalls)

    def scores(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """mAP (overlaps 0.5, 0.55 … 0.95) and AP50 of choices of pictures.

        With every weight 1 these are pycocotools' figures of the set. A class without an object in a choice is left out
        of its mean, as pycocotools does.

        Args:
            weights: (B, N) integers from 0, how often each picture counts.

        Returns:
            ``mAP`` and ``AP50``, (B,) in percent; NaN where a choice has no object.
        """
        found = np.full((len(self.classes), len(weights), 10), np.nan)
        for kind, values in zip(self.classes, found, strict=True):
            rows = max(1, _CHUNK // max(len(kind.pictures), 1))
            for start in range(0, len(weights), rows):
                chosen = weights[start : start + rows]
                values[start : start + rows] = _average_precisions(kind, chosen, self.recalls)
        present = ~np.isnan(found[..., 0])
        count = np.where(present.any(0), present.sum(0), np.nan)
        filled = np.where(present[..., None], found, 0.0)
        return dict(
            mAP=100 * filled.mean(-1).sum(0) / count, AP50=100 * filled[..., 0].sum(0) / count
        )


def match(
    objects: Sequence[Boxes], found: Sequence[Boxes], classes: Sequence[str]
) -> MatchedPictures:
    """Match the detections of each picture with its objects, by pycocotools.

    Args:
        objects: Of each picture.
        found: Of each picture, in the same order.
        classes: Names by label.

    Raises:
        ValueError: No picture has an object that counts.
    """
    from pycocotools.cocoeval import COCOeval

    truth = _coco(objects, classes, 'iscrowd')
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truth, _coco(found, classes, 'score'), 'bbox')
        judge.params.areaRng = [judge.params.areaRng[0]]
        judge.params.areaRngLbl = ['all']
        judge.params.maxDets = [MAX_DETECTIONS]
        judge.evaluate()
    count = len(objects)
    groups = [judge.evalImgs[k * count : (k + 1) * count] for k in range(len(classes))]
    kinds = [_of_class(group, len(judge.params.iouThrs)) for group in groups]
    kinds = [kind for kind in kinds if kind.objects.any()]
    if not kinds:
        raise ValueError('No picture of the set has a labelled object; check its annotations.')
    return MatchedPictures(tuple(kinds), judge.params.recThrs)


def _coco(pictures: Sequence[Boxes], classes: Sequence[str], value: str) -> Any:
    from pycocotools.coco import COCO

    annotations = []
    for number, picture in enumerate(pictures, 1):
        rows = zip(
            picture.boxes.tolist(), picture.labels.tolist(), picture.values.tolist(), strict=True
        )
        for box, label, given in rows:
            annotation = dict(
                id=len(annotations) + 1,  # pycocotools takes id 0 for "no match"
                image_id=number,
                category_id=label,
                bbox=box,
                area=box[2] * box[3],
                iscrowd=0,
            )
            annotation[value] = int(given) if value == 'iscrowd' else given
            annotations.append(annotation)
    coco = COCO()
    coco.dataset = dict(
        images=[dict(id=number) for number in range(1, len(pictures) + 1)],
        categories=[dict(id=label, name=name) for label, name in enumerate(classes)],
        annotations=annotations,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _of_class(records: Sequence[Mapping[str, Any] | None], thresholds: int) -> MatchedClass:
    """One class of pycocotools' records by picture; None stands for a picture with nothing of it."""
    scores, pictures = [np.zeros(0)], [np.zeros(0, np.intp)]
    right, counted = [np.zeros((thresholds, 0), bool)], [np.zeros((thresholds, 0), bool)]
    objects = np.zeros(len(records), np.int64)
    for index, record in enumerate(records):
        if record is None:
            continue
        scores.append(np.asarray(record['dtScores'], float))
        pictures.append(np.full(len(record['dtScores']), index))
        ignored = record['dtIgnore'].astype(bool)
        right.append((record['dtMatches'] > 0) & ~ignored)
        counted.append(~ignored)
        objects[index] = np.count_nonzero(np.asarray(record['gtIgnore']) == 0)
    order = np.argsort(-np.concatenate(scores), kind='mergesort')
    return MatchedClass(
        np.concatenate(pictures)[order],
        np.concatenate(right, axis=1)[:, order],
        np.concatenate(counted, axis=1)[:, order],
        objects,
    )


def _average_precisions(kind: MatchedClass, weights: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """(B, T) in 0..1; NaN where a choice has no object.

    Precision has its maxima at right detections, so only those are looked at. A picture that counts w times puts w
    equal detections in a row; of w right ones in a row the last has the highest precision, and each recall that one of
    them reaches is read at that maximum.
    """
    own = weights[:, kind.pictures]
    objects = weights @ kind.objects
    result = np.zeros((len(weights), len(kind.right)))
    everything = None
    for threshold, (right, counted) in enumerate(zip(kind.right, kind.counted, strict=True)):
        hits = np.flatnonzero(right)
        if not len(hits):
            continue
        if counted.all():
            everything = np.cumsum(own, axis=1) if everything is None else everything
            seen = everything[:, hits]
        else:
            seen = np.cumsum(own * counted, axis=1)[:, hits]
        found = np.cumsum(own[:, hits], axis=1)
        # pycocotools' own operations, down to the last bit
        precision = found / (seen + np.spacing(1))
        highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(recalls, found / np.maximum(objects, 1)[:, None], side='right')
        read = np.diff(reached, axis=1, prepend=0)
        result[:, threshold] = (highest * read).sum(axis=1) / len(recalls)
    result[objects == 0] = np.nan
    return result
