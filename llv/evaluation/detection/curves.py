"""Precision-recall and ROC curves as data, and the small JSON file that keeps them::

{"kind": "pr", "title": "…", "curves": {"<class>": {"x": […], "y": […], "score": […], "ap": 0.5}}}
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

AXES = {'pr': ('recall', 'precision'), 'roc': ('false positives', 'true positive rate')}


@dataclass(frozen=True)
class Curve:
    """The curve of one class: a point for each score that a detection may have to reach.

    Attributes:
        x: (N,) recall (``pr``) or number of false positives (``roc``).
        y: (N,) precision (``pr``) or true positive rate (``roc``).
        score: (N,) the lowest score counted at each point.
        ap: The figure of the whole curve, for a legend; None where there is none.
    """

    x: np.ndarray
    y: np.ndarray
    score: np.ndarray
    ap: float | None = None

    def corners(self) -> Curve:
        """The same curve without the points inside of its horizontal and vertical pieces.

        Drawn, the two are the same; a detector's many false positives become a few points.
        """
        if len(self.x) < 3:
            return self
        inner = np.zeros(len(self.x), bool)
        for values in (np.asarray(self.x), np.asarray(self.y)):
            same = values[1:] == values[:-1]
            inner[1:-1] |= same[1:] & same[:-1]
        return Curve(self.x[~inner], self.y[~inner], self.score[~inner], self.ap)


@dataclass(frozen=True)
class CurveFile:
    """The curves of one evaluation.

    Attributes:
        kind: ``pr`` or ``roc``, a key of :data:`AXES`.
        title: What was measured.
        curves: Curves by the name of their class.
    """

    kind: str
    title: str
    curves: Mapping[str, Curve]

    def __post_init__(self) -> None:
        if self.kind not in AXES:
            raise ValueError(f"`kind` must be 'pr' or 'roc', but got {self.kind!r}.")
        for name, curve in self.curves.items():
            if not len(curve.x) == len(curve.y) == len(curve.score):
                raise ValueError(
                    f'`x`, `y` and `score` of the curve `{name}` must have one length, but have '
                    f'{len(curve.x)}, {len(curve.y)} and {len(curve.score)}.'
                )


def write_curves(
    path: str | os.PathLike, kind: str, title: str, curves: Mapping[str, Curve]
) -> None:
    """Write curves, reduced to their :meth:`~Curve.corners`, in full precision.

    Args:
        path: The JSON file; its folder is made.
        kind: ``pr`` or ``roc``.
        title: What was measured.
        curves: Curves by the name of their class.

    Raises:
        ValueError: `kind` is another, a curve has columns of several lengths, or values that are
            not finite.
    """
    file = CurveFile(kind, title, curves)
    record = {}
    for name, curve in file.curves.items():
        curve = curve.corners()
        columns = {key: np.asarray(getattr(curve, key), float) for key in ('x', 'y', 'score')}
        if not all(np.isfinite(column).all() for column in columns.values()):
            raise ValueError(f'The curve `{name}` must hold finite numbers only.')
        ap = None if curve.ap is None or math.isnan(curve.ap) else float(curve.ap)
        record[name] = {**{key: column.tolist() for key, column in columns.items()}, 'ap': ap}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(kind=kind, title=title, curves=record), allow_nan=False)
    path.write_text(text, encoding='utf-8')


def read_curves(path: str | os.PathLike) -> CurveFile:
    """Read what :func:`write_curves` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no curves.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'The curves `{path}` are not there; check the path.')
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
        curves = {
            name: Curve(*(np.array(curve[key], float) for key in ('x', 'y', 'score')), curve['ap'])
            for name, curve in record['curves'].items()
        }
        kind, title = record['kind'], record['title']
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'`{path}` holds no curves; give a file that a metric wrote (`outfile_prefix`).'
        ) from error
    return CurveFile(kind, title, curves)
