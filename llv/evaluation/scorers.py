"""Scores of pictures that a function of the user gives, such as MetaIQA's, for which no package exists."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

Scorer = Callable[[np.ndarray], float]
"""From a picture, (H, W, 3) uint8 RGB, to a finite number."""

_NAME = r'\w[\w-]*'
_PLACE = re.compile(r'(\w+(?:\.\w+)*):(\w+(?:\.\w+)*)')


def load_scorers(
    scorers: Mapping[str, str | Scorer] | None, taken: Sequence[str] = ()
) -> dict[str, Scorer]:
    """The functions behind some names.

    Nothing is unpickled: a function comes from a module that can be imported, and what it loads is its own matter.

    Example:
        >>> load_scorers({'mean': 'numpy:mean'})['mean'] is np.mean
        True

    Args:
        scorers: Name to function, or to the text ``'package.module:function'``; None is none.
        taken: Names of metrics, which no scorer may have.

    Raises:
        ValueError: A name is taken or is none, a text is not of that form, or the module has no such function.
        TypeError: What is named or given cannot be called.
        ImportError: A module cannot be imported.
    """
    loaded = {}
    for name, scorer in dict(scorers or {}).items():
        if name in taken or not re.fullmatch(_NAME, name):
            why = 'is a metric of llv' if name in taken else 'is no name of a scorer'
            raise ValueError(f'`{name}` {why}; choose another name, such as `metaiqa`.')
        found = _imported(name, scorer) if isinstance(scorer, str) else scorer
        if not callable(found):
            raise TypeError(
                f'The scorer `{name}` must be a function or a text `package.module:function` that names one, but '
                f'{scorer!r} is none.'
            )
        loaded[name] = found
    return loaded


def score(image: Tensor, scorers: Mapping[str, Scorer]) -> dict[str, float]:
    """What each scorer says of a picture.

    Args:
        image: (3, H, W) floating point RGB in [0, 1]; scorers see it in 256 levels, each a copy of its own.
        scorers: From :func:`load_scorers`.

    Raises:
        ValueError: One returns something other than a finite number.
    """
    levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).cpu()
    scores = {}
    for name, scorer in scorers.items():
        result = scorer(levels.numpy().copy(order='C'))
        try:
            scores[name] = float(result)
        except (TypeError, ValueError, RuntimeError):  # the last for tensors of several elements
            scores[name] = math.nan
        if not math.isfinite(scores[name]):
            raise ValueError(
                f'The scorer `{name}` returned {_shown(result)}, which is no finite number; let it return one.'
            )
    return scores


def _imported(name: str, text: str) -> Any:
    place = _PLACE.fullmatch(text)
    if place is None:
        raise ValueError(f'The scorer `{name}` is `{text}`, but must be `package.module:function`.')
    try:
        module = import_module(place[1])
    except ImportError as error:
        raise ImportError(
            f'The scorer `{name}` cannot be imported from `{place[1]}` ({error}); install its package, or name its '
            'folder in the environment variable `PYTHONPATH`.'
        ) from error
    try:
        return reduce(getattr, place[2].split('.'), module)
    except AttributeError as error:
        raise ValueError(
            f'The scorer `{name}` is not in `{place[1]}`, which has no `{place[2]}`; check the name of the function.'
        ) from error


def _shown(result: Any) -> str:
    """In one line of a message."""
    text = ' '.join(repr(result).split())
    return text if len(text) <= 60 else f'{text[:57]}...'
