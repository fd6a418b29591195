"""WIDER FACE's measure: AP at IoU 0.5 over the easy, medium and hard faces."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from llv.registry import METRICS

from .average_precision import (
    average_precision,
    best_targets,
    box_overlaps,
    judge,
    precision_recall,
)
from .samples import instances

_THRESHOLDS = 1 - np.arange(1, 1001) / 1000


@dataclass(frozen=True)
class Faces:
    """The faces of a picture, (N, 4) corners, and which of them belong to a subset, (N,) bool."""

    boxes: np.ndarray
    counts: np.ndarray


@METRICS.register_module()
class WiderFaceMetric(BaseMetric):
    """Average precision of faces at IoU 0.5, over all valid faces or over the official subsets.

    * ``wider_face/AP50``: VOC's AP by area over the faces of the data set; those with ``ignore_flag`` (invalid ones of
      :class:`~llv.datasets.detection.wider_face.WiderFaceDataset`) neither count nor make a detection wrong.
    * ``wider_face/AP_<subset>``, where subset files are given: the official procedure. Scores of the whole set are
      normalised to [0, 1] and cut at 1000 thresholds; each detection belongs to the face that it overlaps most; one on
      a face outside of the subset is dropped from the counts; further ones on a face that is already found lower the
      precision; pictures without faces of the subset, or without detections, are passed over, though their faces
      count.

    Args:
        subset_files: The benchmark's ``.mat`` files by the name of the subset: ``dict(easy='…/wider_easy_val.mat',
            medium=…, hard=…)``. Names and boxes are taken from them, or from ``wider_face_val.mat`` in their folder.
        legacy_plus_one: Measure boxes with both border pixels, width x2 − x1 + 1, as VOC's and mmdet's metrics do.
        label: Label of the class that is the face.
        collect_device, prefix: As for every metric of mmengine.

    Raises:
        FileNotFoundError: A subset file is not there.
        ValueError: A subset file lacks what it should hold, a picture of the test is not in it, or samples lack
            annotations or predictions.
    """

    default_prefix = 'wider_face'

    def __init__(
        self,
        subset_files: Mapping[str, str | os.PathLike[str]] | None = None,
        legacy_plus_one: bool = True,
        label: int = 0,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.subsets = {name: read_subset(path) for name, path in (subset_files or {}).items()}
        self.legacy_plus_one = legacy_plus_one
        self.label = label

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep detections and faces, in coordinates of the original pictures."""
        for sample in data_samples:
            if 'img_path' not in sample:
                raise ValueError(
                    '`WiderFaceMetric` needs `img_path`: add it to the `meta_keys` of `PackDetInputs` in '
                    'the test pipeline.'
                )
            boxes, scores, labels = instances(
                sample, 'pred_instances', ('bboxes', 'scores', 'labels')
            )
            chosen = labels == self.label
            path = Path(sample['img_path'])
            valid, ignored = (
                instances(sample, key, ('bboxes',))[0].reshape(-1, 4).astype(float)
                for key in ('gt_instances', 'ignored_instances')
            )
            self.results.append(
                dict(
                    key=f'{path.parent.name}/{path.stem}',
                    boxes=boxes[chosen].astype(float),
                    scores=scores[chosen].astype(float),
                    faces=Faces(
                        np.concatenate([valid, ignored]),
                        np.arange(len(valid) + len(ignored)) < len(valid),
                    ),
                )
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """AP50 over the valid faces and AP of each subset."""
        aps = {'AP50': self._plain(results)}
        for name, subset in self.subsets.items():
            unknown = [result['key'] for result in results if result['key'] not in subset]
            if unknown:
                raise ValueError(
                    f'`subset_files.{name}` has no picture `{unknown[0]}` ({len(unknown)} unknown): '
                    'the subsets belong to the validation set.'
                )
            faces = [subset[result['key']] for result in results]
            aps[f'AP_{name}'] = subset_ap(
                [result['boxes'] for result in results],
                [result['scores'] for result in results],
                faces,
                self.legacy_plus_one,
            )
        return aps

    def _plain(self, results: list[dict[str, Any]]) -> float:
        verdicts = [np.zeros(0, np.int8)]
        for result in results:
            faces = result['faces']
            overlaps = box_overlaps(result['boxes'], faces.boxes, self.legacy_plus_one)
            verdicts.append(
                judge(result['scores'], *best_targets(overlaps), ~faces.counts, iou_thr=0.5)
            )
        scores = np.concatenate([np.zeros(0), *(result['scores'] for result in results)])
        objects = sum(int(result['faces'].counts.sum()) for result in results)
        ap = precision_recall(scores, np.concatenate(verdicts), objects).ap
        return float('nan') if ap is None else ap


def subset_ap(
    boxes: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    faces: Sequence[Faces],
    plus_one: bool = True,
) -> float:
    """AP of one subset by the official procedure; see :class:`WiderFaceMetric`.

    Args:
        boxes: (N, 4) corners of the detections of each picture.
        scores: (N,) of the same.
        faces: All faces of each picture.
        plus_one: Whether both border pixels count.

    Returns:
        0..1; NaN if the subset has no face in these pictures.
    """
    total = sum(int(face.counts.sum()) for face in faces)
    if not total:
        return float('nan')
    every = np.concatenate(scores)
    low, spread = (every.min(), np.ptp(every)) if len(every) else (0.0, 0.0)
    kept, recalled = np.zeros(len(_THRESHOLDS)), np.zeros(len(_THRESHOLDS))
    for picture, picture_scores, face in zip(boxes, scores, faces, strict=True):
        if not face.counts.any() or not len(picture):
            continue
        order = np.argsort(-picture_scores, kind='stable')
        # one score for all: every detection is at the top
        values = (picture_scores[order] - low) / spread if spread else np.ones(len(order))
        overlap, target = best_targets(box_overlaps(picture[order], face.boxes, plus_one))
        hit = overlap >= 0.5
        counted = ~(hit & ~face.counts[target])
        first = np.zeros(len(order), bool)
        found = np.flatnonzero(hit & counted)
        first[found[np.unique(target[found], return_index=True)[1]]] = True
        # how many detections reach each threshold
        reach = np.searchsorted(-values, -_THRESHOLDS, side='right')
        kept += np.append(0, counted.cumsum())[reach]
        recalled += np.append(0, first.cumsum())[reach]
    precision = np.divide(recalled, kept, out=np.zeros_like(kept), where=kept > 0)
    return average_precision(recalled / total, precision)


def read_subset(path: str | os.PathLike[str]) -> dict[str, Faces]:
    """Read a subset of the benchmark: ``gt_list`` holds the one-based numbers of its faces in each picture.

    Args:
        path: Such as ``wider_easy_val.mat``; what it lacks is taken from ``wider_face_val.mat`` beside it.

    Returns:
        The faces by ``<event>/<picture without extension>``.

    Raises:
        FileNotFoundError, ValueError: As :class:`WiderFaceMetric`.
    """
    from scipy.io import loadmat

    path = Path(path)
    tables: dict[str, Any] = {}
    for file in (path.with_name('wider_face_val.mat'), path):
        if file.is_file():
            try:
                tables.update(loadmat(file))
            except (ValueError, NotImplementedError) as error:
                raise ValueError(f'`{file}` is no .mat file of WIDER FACE ({error}).') from error
        elif file == path:
            raise FileNotFoundError(
                f'The subset `{path}` is not there; get it from the evaluation tools of WIDER FACE.'
            )
    for key in ('gt_list', 'event_list', 'file_list', 'face_bbx_list'):
        if key not in tables:
            raise ValueError(
                f'`{path}` has no `{key}`; put `wider_face_val.mat` of the evaluation tools beside it.'
            )
    subset = {}
    columns = (tables[k].ravel() for k in ('event_list', 'file_list', 'face_bbx_list', 'gt_list'))
    for event, names, event_boxes, event_numbers in zip(*columns, strict=True):
        rows = zip(names.ravel(), event_boxes.ravel(), event_numbers.ravel(), strict=True)
        for name, boxes, numbers in rows:
            corners = np.asarray(boxes, float).reshape(-1, 4).copy()
            corners[:, 2:] += corners[:, :2]
            counts = np.zeros(len(corners), bool)
            counts[np.asarray(numbers, int).ravel() - 1] = True
            subset[f'{event.item()}/{name.item()}'] = Faces(corners, counts)
    return subset
