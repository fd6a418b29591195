"""The contract of every enhancer, as checks that anybody can run on one of their own.

What is promised, and who relies on it, is in ``docs/new_enhancer.md``.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from llv.models.enhancers.base import BaseEnhancer
from llv.models.enhancers.build import build_enhancer

from .enhancer_checks import CHECKS, Broken, Case, NotApplicable, first_line


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        name: Of the check.
        promise: What it looks at.
        status: ``kept``, ``broken`` or ``skipped``.
        sentence: What is wrong and how to mend it, or why it was skipped; empty where it is kept.
    """

    name: str
    promise: str
    status: str
    sentence: str = ''


def check_enhancer(
    cfg: Mapping[str, Any], tolerance: float = 1e-5, skip: Collection[str] = ()
) -> Iterator[Outcome]:
    """Check an enhancer, promise by promise.

    Where no weights are given, the random ones are stirred first: layers that an initialisation sets to nothing would
    hide what is wrong with them.

    Args:
        cfg: Config of the enhancer, as of :func:`llv.apis.enhancer_config`.
        tolerance: Largest difference between two ways to the same result.
        skip: Names of checks to leave out.

    Yields:
        An outcome for each check of :data:`CHECKS`, in their order.

    Raises:
        ValueError: `skip` names no check.
    """
    unknown = set(skip) - set(CHECKS)
    if unknown:
        raise ValueError(
            f'There is no check `{sorted(unknown)[0]}`; there are '
            + ', '.join(f'`{name}`' for name in CHECKS)
            + '.'
        )
    cfg = dict(cfg)
    torch.manual_seed(0)
    enhancer = build_enhancer(cfg).eval()
    if cfg.get('weights') is None:
        _stir(enhancer)
    case = Case(cfg, enhancer, tolerance)
    for name, check in CHECKS.items():
        promise = inspect.getdoc(check).partition('\n')[0].rstrip('.')
        if name in skip:
            yield Outcome(name, promise, 'skipped', 'As asked.')
            continue
        torch.manual_seed(0)
        try:
            check(case)
        except NotApplicable as reason:
            yield Outcome(name, promise, 'skipped', str(reason))
        except Broken as reason:
            yield Outcome(name, promise, 'broken', str(reason))
        except Exception as error:  # noqa: BLE001 - of anybody's code
            told = f'{type(error).__name__} was raised: {first_line(error)}'
            yield Outcome(name, promise, 'broken', told)
        else:
            yield Outcome(name, promise, 'kept')


@torch.no_grad()
def _stir(enhancer: BaseEnhancer) -> None:
    """Let layers do something that many initialisations set to nothing."""
    for parameter in enhancer.parameters():
        spread = parameter.std() if parameter.numel() > 1 else 0
        parameter.add_(torch.randn_like(parameter) * (0.3 * spread if spread > 0 else 0.03))
