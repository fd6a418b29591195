"""How far two gradients agree, and the file in which a run notes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

RECORDS = 'gradient_agreement.jsonl'
"""Name of the file in the work folder of a run."""


def agreement(under: Mapping[str, Tensor], over: Mapping[str, Tensor]) -> dict[str, float | None]:
    """Cosine and lengths of two gradients.

    Args:
        under: Gradient by the name of the parameter.
        over: The other, of the same parameters.

    Returns:
        ``cosine`` in [−1, 1], ``under_norm`` and ``over_norm``, summed in float64. None stands for what is not finite,
        and for the cosine of a gradient of length 0.
    """
    dot = _dot(under, over)
    norms = [math.sqrt(_dot(gradient, gradient)) for gradient in (under, over)]
    length = norms[0] * norms[1]
    # rounding may leave the interval by one unit
    cosine = max(-1.0, min(1.0, dot / length)) if length and math.isfinite(dot) else math.nan
    found = dict(cosine=cosine, under_norm=norms[0], over_norm=norms[1])
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    return float(sum((a[name].double() * b[name].double()).sum() for name in a))


def children(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of parameters by the first module at which they part.

    >>> children(['enhancer.stem.weight', 'enhancer.stem.bias', 'enhancer.blocks.0.weight'])
    {'enhancer.stem': ['enhancer.stem.weight', 'enhancer.stem.bias'], 'enhancer.blocks': ['enhancer.blocks.0.weight']}
    """
    split = {name: name.split('.') for name in names}
    depth = 0
    while len({tuple(parts[: depth + 1]) for parts in split.values()}) == 1 and all(
        len(parts) > depth + 1 for parts in split.values()
    ):
        depth += 1
    found: dict[str, list[str]] = {}
    for name, parts in split.items():
        found.setdefault('.'.join(parts[: depth + 1]), []).append(name)
    return found


def read_agreement(path: str | PathLike) -> list[dict[str, Any]]:
    """What :class:`llv.engine.hooks.GradientAgreementHook` wrote, in the order of iterations.

    Args:
        path: The file, or the work folder of a run.

    Returns:
        One dict a measurement: ``iteration`` (steps taken before it), ``cosine``, ``under_norm``, ``over_norm`` (see
        :func:`agreement`), ``under_loss``, ``over_loss``, ``pictures`` (runs with the same value were measured on the
        same pictures) and, where it was asked for, ``children`` with the first three by part of the model. A line that
        is still being written is left out.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds something else.
    """
    path = Path(path)
    file = path / RECORDS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            f'`{file}` is not there; train with `llv.GradientAgreementHook`, or correct the path.'
        )
    try:
        *lines, last = file.read_text(encoding='utf-8').split('\n')
        records = [json.loads(line) for line in lines]
        for record in records:
            record['iteration'], record['cosine'], record['pictures']
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'`{file}` is no file of `llv.GradientAgreementHook`; give `{RECORDS}` of a run, or its work folder.'
        ) from error
    return sorted(records, key=lambda record: record['iteration'])
