"""From predictions to scores, differences and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .bootstrap import Difference, difference, draw_pictures, holm
from .darkness import DarknessGroup, group_by_darkness
from .detections import MatchedPictures, match
from .label_maps import CountedPictures
from .picture_sets import PictureSet
from .runs import Predictions

HELPS, HURTS, UNDECIDED = 'helps', 'hurts', 'not distinguishable'
# of a group by darkness
_FEWEST = 5

Figures = dict[str, Difference]


@dataclass(frozen=True)
class Row:
    """One enhancer, or none.

    Attributes:
        name: As the user wrote it.
        scores: By metric, in percent, the first is the one that verdicts are about.
        gains: Differences to the baseline by metric; None for the baseline.
        by_darkness: Scores and gains of each group.
        milliseconds: Median time a picture.
        verdict: One of ``helps``, ``hurts``, ``not distinguishable``; None for the baseline, and for no enhancer where
            that is not the baseline.
    """

    name: str
    scores: Figures
    gains: Figures | None
    by_darkness: tuple[tuple[Figures, Figures | None], ...]
    milliseconds: float
    verdict: str | None = None


@dataclass(frozen=True)
class Answer:
    """All rows and what they stand on.

    Attributes:
        rows: The model alone first.
        groups: Pictures by darkness; empty where there are too few.
        pictures: How many there are.
        objects: Labelled objects; None for segmentors.
        baseline: Name of the row that the others are compared with.
        resamples, seed: Of the bootstrap.
    """

    rows: tuple[Row, ...]
    groups: tuple[DarknessGroup, ...]
    pictures: int
    objects: int | None
    baseline: str
    resamples: int
    seed: int

    @property
    def metric(self) -> str:
        """The metric that verdicts are about."""
        return next(iter(self.rows[0].scores))


def judge_arms(
    predictions: Mapping[str, Predictions],
    pictures: PictureSet,
    baseline: str,
    resamples: int,
    seed: int,
    groups: int,
) -> Answer:
    """Compare predictions on the same pictures, in the same draws of them.

    Args:
        predictions: By name; the model alone first.
        pictures: With their labels.
        baseline: Name of the row that the others are compared with.
        resamples: Draws of the bootstrap.
        seed: Of the draws.
        groups: How many groups by darkness; fewer where they would have less than five pictures.
    """
    first = next(iter(predictions.values()))
    luminance = first.arrays['luminance']
    count = len(luminance)
    parts = group_by_darkness(luminance, max(1, min(groups, count // _FEWEST)))
    parts = parts if len(parts) > 1 else []
    weights = np.concatenate([np.ones((1, count), np.int32), draw_pictures(count, resamples, seed)])
    sizes = [count, *(len(part.members) for part in parts)]
    drawn, objects = {}, None
    for name, found in predictions.items():
        scorer = _scorer(found, pictures)
        scorers = [scorer, *(scorer.among(part.members) for part in parts)]
        drawn[name] = [one.scores(weights) for one in scorers]
        objects = int(scorer.objects.sum()) if isinstance(scorer, MatchedPictures) else None
    rows = []
    for name, values in drawn.items():
        scores = [_figures(v, size) for v, size in zip(values, sizes, strict=True)]
        gains: list[Figures | None] = [None] * len(scores)
        if name != baseline:
            pairs = zip(values, drawn[baseline], sizes, strict=True)
            gains = [_figures({m: v[m] - b[m] for m in v}, size) for v, b, size in pairs]
        by_darkness = tuple(zip(scores[1:], gains[1:], strict=True))
        rows.append(Row(name, scores[0], gains[0], by_darkness, predictions[name].milliseconds))
    rows = _with_verdicts(rows, count)
    return Answer(tuple(rows), tuple(parts), count, objects, baseline, resamples, seed)


def _scorer(found: Predictions, pictures: PictureSet) -> MatchedPictures | CountedPictures:
    if pictures.segments:
        return found.pixels()
    return match(pictures.objects, found.boxes(), pictures.classes)


def _figures(values: Mapping[str, np.ndarray], pictures: int) -> Figures:
    """The first value is of the set itself, the others of its draws."""
    return {name: difference(row[0], row[1:], pictures) for name, row in values.items()}


def _with_verdicts(rows: Sequence[Row], pictures: int) -> list[Row]:
    first = next(iter(rows[0].scores))
    # the model alone is no enhancer, so it takes no part where something else is the baseline
    judged = [row for row in rows[1:] if row.gains is not None]
    real = holm([row.gains[first].strength for row in judged], pictures)
    verdicts = {
        row.name: UNDECIDED if not sure else HELPS if row.gains[first].value > 0 else HURTS
        for row, sure in zip(judged, real, strict=True)
    }
    return [
        Row(r.name, r.scores, r.gains, r.by_darkness, r.milliseconds, verdicts.get(r.name))
        for r in rows
    ]
