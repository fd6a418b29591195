"""FDDB's measure: the true-positive rate at a number of false positives."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from llv.datasets.detection.fddb_files import write_detections
from llv.registry import METRICS

from .curves import Curve, write_curves
from .fddb_matching import (
    Roc,
    box_overlaps,
    count_matches,
    merge_counts,
    pixel_overlaps,
    rate_at,
)
from .samples import instances

_OVERLAPS = dict(ellipse=pixel_overlaps, box=box_overlaps)


@METRICS.register_module()
class FDDBMetric(BaseMetric):
    """True-positive rate at 500 false positives over a whole set, as FDDB's evaluation tool counts
    (UM-CS-2010-009; the measure of PSENet, WACV 2023, section 5).

    Faces are ellipses and detections rectangles, both as pixels on the canvas of the picture. At each score, detections
    and faces of a picture are assigned one to one with the largest sum of overlaps. A pair counts with 1 above an
    overlap of 0.5 in the discrete rate and with its overlap in the continuous one; every detection without a discrete
    match is a false positive in both.

    Returns ``fddb/TPR@500`` and ``fddb/TPR@500_continuous``, shares in [0, 1] of all faces. After an evaluation
    :attr:`roc` holds the whole curves.

    The test pipeline must hand over the ellipses, which boxes cannot replace, and the names::

        dict(type='PackDetInputs',
             meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'name', 'ellipses'))

    They stay with the sample through any model and through test-time augmentation.

    Args:
        max_fp: Number of false positives over the whole set. 500 belongs to FDDB's 2,845 pictures; a small set may
            never have so many, and then its largest rate is returned.
        mode: ``'ellipse'``, or ``'box'`` for rectangles around the ellipses: an approximation that gives other
            numbers.
        interpolate: Interpolate linearly at `max_fp` instead of taking the largest rate up to it.
        extend_up: Share of its height by which each box is extended upwards before it is measured. 0.2 is common for
            detectors trained on the tight boxes of WIDER FACE, since the ellipses include the forehead; the default
            measures what was found. The log and the titles of curves name it.
        whole_pixels: Round left and top down and width and height up, as DSFD's script for FDDB does.
        label: Label of the class that is the face.
        outfile_prefix: Where to write ``<prefix>_roc.json`` (:mod:`~llv.evaluation.detection.curves`),
            ``<prefix>_DiscROC.txt`` and ``<prefix>_ContROC.txt`` (rate, false positives, threshold a line, as the
            official tool writes them) and ``<prefix>_detections.txt`` (which the official tool reads).
        collect_device, prefix: As for every metric of mmengine.

    Attributes:
        roc: The curves of the last evaluation (:class:`~llv.evaluation.detection.fddb_matching.Roc`), None before.
        rates: What it returned, by name without prefix; empty before.

    Raises:
        ValueError: An argument is out of range, a sample has no ellipses, a score is not finite, or there are no
            faces.
    """

    default_prefix = 'fddb'

    def __init__(
        self,
        max_fp: int = 500,
        mode: str = 'ellipse',
        interpolate: bool = False,
        extend_up: float = 0.0,
        whole_pixels: bool = False,
        label: int = 0,
        outfile_prefix: str | os.PathLike[str] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if mode not in _OVERLAPS:
            raise ValueError(f"`mode` must be 'ellipse' or 'box', but got {mode!r}.")
        if max_fp < 0:
            raise ValueError(f'`max_fp` must be 0 or more, but got {max_fp}.')
        if extend_up < 0:
            raise ValueError(f'`extend_up` must be 0 or more, but got {extend_up}.')
        self.max_fp = max_fp
        self.mode = mode
        self.interpolate = interpolate
        self.extend_up = extend_up
        self.whole_pixels = whole_pixels
        self.label = label
        self.outfile_prefix = outfile_prefix
        self.roc: Roc | None = None
        self.rates: dict[str, float] = {}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the matches of a batch's pictures at each of their scores."""
        for sample in data_samples:
            for key in ('ellipses', 'name', 'img_id', 'ori_shape'):
                if key not in sample:
                    raise ValueError(
                        f'`FDDBMetric` needs `{key}` of `llv.FDDBDataset`: add it to the '
                        '`meta_keys` of `PackDetInputs` in the test pipeline.'
                    )
            corners, scores, labels = instances(
                sample, 'pred_instances', ('bboxes', 'scores', 'labels')
            )
            chosen = labels == self.label
            boxes = self._rectangles(corners[chosen])
            scores = scores[chosen].astype(float)
            faces = sample['ellipses']
            overlaps = _OVERLAPS[self.mode](boxes, faces, *sample['ori_shape'][:2])
            kept = (boxes, scores) if self.outfile_prefix else None
            self.results.append(
                dict(
                    img_id=sample['img_id'],
                    name=sample['name'],
                    faces=len(faces),
                    counts=count_matches(overlaps, scores),
                    detections=kept,
                )
            )

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Merge the pictures' counts; returns the two rates."""
        results = sorted(results, key=lambda result: result['img_id'])
        faces = sum(result['faces'] for result in results)
        if not faces:
            raise ValueError('`FDDBMetric` needs faces, but the pictures of this test have none.')
        roc = self.roc = merge_counts([result['counts'] for result in results], faces)
        falses = roc.false_positives
        rates = self.rates = {
            f'TPR@{self.max_fp}': rate_at(falses, roc.discrete, self.max_fp, self.interpolate),
            f'TPR@{self.max_fp}_continuous': rate_at(
                falses, roc.continuous, self.max_fp, self.interpolate
            ),
        }
        most = int(falses.max(initial=0))
        few = f'; they have {most}, so this is the largest rate' if most < self.max_fp else ''
        print_log(
            f'FDDB{self._conditions()}: {len(results)} pictures, {faces} faces, rate at '
            f'{self.max_fp} false positives{few}.',
            logger='current',
            level=logging.INFO,
        )
        if self.outfile_prefix:
            self._write(results, roc, rates)
        return dict(rates)

    def _rectangles(self, corners: np.ndarray) -> np.ndarray:
        """(N, 4) corners to left, top, width, height, which is what is measured and written."""
        boxes = corners.astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        up = self.extend_up * boxes[:, 3]
        boxes[:, 1] -= up
        boxes[:, 3] += up
        if self.whole_pixels:
            return np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], 1)
        # so that the written file says exactly what is measured here
        return boxes.round(3)

    def _conditions(self) -> str:
        """What differs from the official measure, for logs and titles."""
        parts = [
            'boxes around the ellipses, an approximation' if self.mode == 'box' else '',
            f'detections extended upwards by {self.extend_up:.0%}' if self.extend_up else '',
            'interpolated' if self.interpolate else '',
        ]
        text = ', '.join(filter(None, parts))
        return f' ({text})' if text else ''

    def _write(self, results: list[dict[str, Any]], roc: Roc, rates: dict[str, float]) -> None:
        prefix = os.fspath(self.outfile_prefix)
        curves = {}
        for name, rate in zip(('discrete', 'continuous'), rates.values(), strict=True):
            values = getattr(roc, name)
            curves[name] = Curve(
                roc.false_positives[::-1], values[::-1], roc.thresholds[::-1], rate
            )
        title = f'FDDB{self._conditions()}, in brackets the rate at {self.max_fp}'
        write_curves(f'{prefix}_roc.json', 'roc', title, curves)
        for name, values in (('Disc', roc.discrete), ('Cont', roc.continuous)):
            lines = [
                f'{rate:.9g} {count} {threshold:.9g}\n'
                for rate, count, threshold in zip(
                    values, roc.false_positives, roc.thresholds, strict=True
                )
            ]
            with open(f'{prefix}_{name}ROC.txt', 'w', encoding='utf-8') as file:
                file.writelines(lines)
        write_detections(
            f'{prefix}_detections.txt',
            ((result['name'], *result['detections']) for result in results),
        )
