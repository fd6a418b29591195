"""DARK FACE: plain average precision of faces, and the procedure of the challenge's own tool."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from llv.registry import METRICS

from .average_precision import (
    average_precision,
    best_targets,
    box_areas,
    box_overlaps,
    judge,
    precision_recall,
)
from .curves import Curve, write_curves
from .samples import instances

MODES = ('plain', 'official')
THRESHOLDS = np.arange(1000) / 1000


# no named tuple: mmengine would hand it on as a plain one
@dataclass(frozen=True)
class _Picture:
    """The faces and detections of a picture; no overlaps, which would not be small."""

    name: str
    faces: np.ndarray  # (M, 4)
    boxes: np.ndarray  # (N, 4)
    scores: np.ndarray  # (N,)


@METRICS.register_module()
class DarkFaceMetric(BaseMetric):
    """Average precision of faces at an overlap of a half, by both protocols in use.

    ``plain`` is VOC's area with each face found at most once, what papers on local splits report:
    ``AP50`` and ``recall`` (faces found by any detection at all). ``official`` is the tool of the UG2+
    challenge, ``AP_official``; scores on the hidden test set are its figures and must not be compared with
    ``AP50``. See :func:`official_curve` for how it differs. Classes are not looked at, and neither protocol
    knows faces to be ignored: ``ignored_instances`` are as if they were not there.

    The challenge's test set has no labels: with `format_only`, one text file a picture is written, with
    lines ``xmin ymin xmax ymax score``, and nothing is measured.

    Keep the detector's limit high (``max_per_img`` of 750): pictures hold up to hundreds of faces.

    Args:
        modes: ``plain``, ``official`` or both.
        size_bins: Edges in pixels of the square root of a face's area, for ``AP50`` by size:
            ``(16, 32)`` gives ``AP50.0-16``, ``AP50.16-32``, ``AP50.32-``. Faces of another size, and
            detections that meet them, count neither way; nor do detections of another size that meet
            nothing. A bin without a face is left out.
        legacy_plus_one: Count both border pixels of a box, as ``VOCMetric`` does; faces of a few pixels
            feel it.
        outfile_prefix: Write the curves to ``<outfile_prefix>.plain.json`` and ``.official.json``.
        submission_dir: Folder for the text files of the challenge.
        format_only: Write them and measure nothing; needs no labels.
        collect_device: As mmengine's ``BaseMetric``.
        prefix: As mmengine's ``BaseMetric``.

    Attributes:
        curves: After an evaluation, the full precision-recall curves by mode.

    Raises:
        ValueError: An argument is out of range, or samples lack annotations or predictions.
    """

    default_prefix = 'dark_face'

    def __init__(
        self,
        modes: str | Sequence[str] = MODES,
        size_bins: Sequence[float] = (),
        legacy_plus_one: bool = True,
        outfile_prefix: str | None = None,
        submission_dir: str | os.PathLike | None = None,
        format_only: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.modes = (modes,) if isinstance(modes, str) else tuple(modes)
        if not self.modes or not set(self.modes) <= set(MODES):
            raise ValueError(f"`modes` must be among 'plain' and 'official', but got {modes!r}.")
        edges = [0.0, *size_bins, np.inf]
        if any(low >= high for low, high in zip(edges, edges[1:], strict=False)):
            raise ValueError(f'`size_bins` must be positive and ascending, but got {size_bins}.')
        if size_bins and 'plain' not in self.modes:
            raise ValueError("`size_bins` belong to the mode 'plain'; add it to `modes`.")
        if format_only and submission_dir is None:
            raise ValueError('`format_only` writes files; name their folder by `submission_dir`.')
        self.size_bins = tuple(zip(edges, edges[1:], strict=False)) if size_bins else ()
        self.legacy_plus_one = legacy_plus_one
        self.outfile_prefix = outfile_prefix
        self.submission_dir = submission_dir
        self.format_only = format_only
        self.curves: dict[str, Curve] = {}

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep the faces and detections of a batch.

        Args:
            data_batch: Not used.
            data_samples: With ``gt_instances`` (unless `format_only`) and ``pred_instances``, corners in
                pixels of the original picture.
        """
        for sample in data_samples:
            faces = np.zeros((0, 4), np.float32)
            if not self.format_only:
                (faces,) = instances(sample, 'gt_instances', ('bboxes',))
            boxes, scores = instances(sample, 'pred_instances', ('bboxes', 'scores'))
            self.results.append(_Picture(sample.get('img_path', ''), faces, boxes, scores))

    def compute_metrics(self, results: list[_Picture]) -> dict[str, float]:
        """Write what is asked for, and measure."""
        if self.submission_dir is not None:
            write_submission(self.submission_dir, [(p.name, p.boxes, p.scores) for p in results])
        if self.format_only:
            print_log(f'{len(results)} files written to {self.submission_dir}.', 'current')
            return {}
        matches = [
            best_targets(box_overlaps(p.boxes, p.faces, self.legacy_plus_one)) for p in results
        ]
        figures: dict[str, float] = {}
        if 'plain' in self.modes:
            curve = self._plain(results, matches, (0.0, np.inf))
            self.curves['plain'] = curve
            figures['AP50'] = curve.ap or 0.0
            figures['recall'] = float(curve.x[-1]) if len(curve.x) else 0.0
            for low, high in self.size_bins:
                part = self._plain(results, matches, (low, high))
                if part.ap is not None:
                    name = f'{low:g}-{high:g}' if np.isfinite(high) else f'{low:g}-'
                    figures[f'AP50.{name}'] = part.ap
        if 'official' in self.modes:
            curve = official_curve(
                [p.scores for p in results],
                [overlaps for overlaps, _ in matches],
                [targets for _, targets in matches],
                [len(p.faces) for p in results],
            )
            self.curves['official'] = curve
            figures['AP_official'] = curve.ap or 0.0
            figures.setdefault('recall', float(curve.x[-1]) if len(curve.x) else 0.0)
        if self.outfile_prefix is not None:
            for mode, curve in self.curves.items():
                path = f'{self.outfile_prefix}.{mode}.json'
                write_curves(path, 'pr', f'DARK FACE, {mode}', {'face': curve})
        return figures

    def _plain(
        self,
        pictures: Sequence[_Picture],
        matches: Sequence[tuple[np.ndarray, np.ndarray]],
        sizes: tuple[float, float],
    ) -> Curve:
        """VOC's curve over the faces of some sizes."""
        low, high = sizes[0] ** 2, sizes[1] ** 2
        verdicts, faces = [], 0
        for picture, (overlaps, targets) in zip(pictures, matches, strict=True):
            areas = box_areas(picture.faces.astype(float), self.legacy_plus_one)
            ignored = (areas < low) | (areas >= high)
            own = box_areas(picture.boxes.astype(float), self.legacy_plus_one)
            # without bins a mistake is a mistake, also a box without area
            outside = (own < low) | (own >= high) if sizes != (0.0, np.inf) else None
            verdicts.append(judge(picture.scores, overlaps, targets, ignored, 0.5, outside))
            faces += int((~ignored).sum())
        scores = np.concatenate([picture.scores for picture in pictures])
        return precision_recall(scores, np.concatenate(verdicts), faces)


def official_curve(
    scores: Sequence[np.ndarray],
    overlaps: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    faces: Sequence[int],
    iou_thr: float = 0.5,
) -> Curve:
    """The curve of the UG2+ challenge's tool (an adaptation of WIDER FACE's evaluation).

    Scores of the whole data set are stretched to [0, 1] and counted at 1000 thresholds k / 1000. A
    detection recalls the face that it overlaps most. Precision is recalled faces / detections, so a
    second detection of a face costs precision as any other does. Pictures without a face or without a
    detection are skipped: their detections never count, their faces stay in the recall's denominator.
    Where all scores are equal, which cannot be stretched, all count as 1.

    Args:
        scores: (N,) for each picture.
        overlaps, targets: (N,) for each picture, as from :func:`best_targets`.
        faces: Number of faces of each picture.
        iou_thr: The overlap that recalls a face.

    Returns:
        One point for each threshold that any counted detection reaches, from the highest down; ``ap`` is
        the area under the monotone envelope, None without faces. ``score`` is the stretched one.
    """
    every = np.concatenate([np.zeros(0), *scores]).astype(np.float64)
    lowest, spread = (every.min(), np.ptp(every)) if len(every) else (0.0, 0.0)
    counted, recalling = [np.zeros(0)], [np.zeros(0)]
    for of_picture, overlap, target, number in zip(scores, overlaps, targets, faces, strict=True):
        if not number or not len(of_picture):
            continue
        stretched = (
            (of_picture.astype(np.float64) - lowest) / spread
            if spread
            else (np.ones(len(of_picture)))
        )
        counted.append(stretched)
        # a face is recalled from the best score on downwards that any of its detections has
        best = np.full(number, -1.0)
        hit = overlap >= iou_thr
        np.maximum.at(best, target[hit], stretched[hit])
        recalling.append(best[best >= 0])
    thresholds = THRESHOLDS[::-1]
    detections = _reaching(np.concatenate(counted), thresholds)
    recalled = _reaching(np.concatenate(recalling), thresholds)
    reached = detections > 0
    recall = recalled[reached] / max(sum(faces), 1)
    precision = recalled[reached] / detections[reached]
    ap = average_precision(recall, precision) if sum(faces) else None
    return Curve(recall, precision, thresholds[reached], ap)


def _reaching(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many values reach each threshold."""
    return len(values) - np.searchsorted(np.sort(values), thresholds, side='left')


def write_submission(
    folder: str | os.PathLike, detections: Sequence[tuple[str, np.ndarray, np.ndarray]]
) -> None:
    """Write detections as the challenge takes them: ``<stem>.txt``, best first, empty without any.

    Args:
        folder: Is made.
        detections: For each picture its path, its boxes (N, 4), corners in pixels of the original picture,
            and their scores (N,).

    Raises:
        ValueError: Two pictures would share a file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written: set[str] = set()
    for path, boxes, scores in detections:
        stem = Path(path).stem
        if stem in written:
            raise ValueError(
                f'Several pictures are named `{stem}`; give their files different names for the submission.'
            )
        written.add(stem)
        lines = [
            ' '.join(f'{value:.2f}' for value in boxes[i]) + f' {scores[i]:.8g}\n'
            for i in np.argsort(-scores, kind='stable')
        ]
        (folder / f'{stem}.txt').write_text(''.join(lines), encoding='utf-8')
