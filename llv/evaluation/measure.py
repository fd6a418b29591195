"""All metrics by name: measure one picture, average many."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from . import functional, perceptual
from .protocols import Protocol
from .scorers import Scorer, score


@dataclass(frozen=True)
class QualityMetric:
    """A metric of picture quality.

    Attributes:
        compute: Takes prepared pictures, (1, 3, H, W) float64 RGB in [0, 1], their references if `needs_reference`, and
            the protocol; returns (1,).
        title: What tables print.
        higher_is_better: Which way is up.
        needs_reference: Whether it compares with a reference.
        digits: After the point, in tables.
    """

    compute: Callable[..., Tensor]
    title: str
    higher_is_better: bool
    needs_reference: bool = True
    digits: int = 4


def _psnr(x: Tensor, y: Tensor, protocol: Protocol) -> Tensor:
    return functional.psnr(*(protocol.convert(z, protocol.colour) for z in (x, y)))


def _rmse(x: Tensor, y: Tensor, protocol: Protocol) -> Tensor:
    return functional.rmse(*(protocol.convert(z, protocol.colour) for z in (x, y)))


def _ssim(x: Tensor, y: Tensor, protocol: Protocol) -> Tensor:
    x, y = (protocol.convert(z, protocol.ssim_colour) for z in (x, y))
    return functional.ssim(
        x, y, protocol.window, protocol.covariance, protocol.edges, protocol.downsample
    )


def _in_colour(function: Callable[..., Tensor], *pictures_and_protocol) -> Tensor:
    """For the metrics that define their colours themselves."""
    *pictures, _ = pictures_and_protocol
    return function(*pictures)


QUALITY_METRICS: Mapping[str, QualityMetric] = MappingProxyType(
    dict(
        psnr=QualityMetric(_psnr, 'PSNR (dB)', True, digits=3),
        ssim=QualityMetric(_ssim, 'SSIM', True),
        rmse=QualityMetric(_rmse, 'RMSE', False),
        lpips=QualityMetric(partial(_in_colour, perceptual.lpips), 'LPIPS', False),
        fsim=QualityMetric(partial(_in_colour, perceptual.fsim), 'FSIM', True),
        fsimc=QualityMetric(
            partial(_in_colour, partial(perceptual.fsim, chromatic=True)), 'FSIMc', True
        ),
        fsim_ism=QualityMetric(partial(_in_colour, perceptual.fsim_ism), 'FSIM_ism', True),
        niqe=QualityMetric(partial(_in_colour, perceptual.niqe), 'NIQE', False, False, 3),
        brisque=QualityMetric(partial(_in_colour, perceptual.brisque), 'BRISQUE', False, False, 3),
    )
)


def check_metrics(metrics: str | Sequence[str]) -> tuple[str, ...]:
    """The names, if all are known.

    Raises:
        ValueError: One is not, one is named twice, or there is none.
    """
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    for name in names:
        if name not in QUALITY_METRICS:
            raise ValueError(
                f'`{name}` is no known metric; choose from {", ".join(QUALITY_METRICS)}.'
            )
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f'`metrics` must name at least one metric, each once, but got {list(names)}.'
        )
    return names


@torch.no_grad()
def measure(
    image: Tensor,
    reference: Tensor | None,
    metrics: Sequence[str],
    protocol: Protocol,
    name: str = 'the picture',
    scorers: Mapping[str, Scorer] | None = None,
) -> dict[str, float]:
    """The quality of one picture.

    Example:
        >>> import torch
        >>> from llv.evaluation import get_protocol, measure
        >>> x, y = torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.6)
        >>> round(measure(x, y, ['psnr'], get_protocol('skimage'))['psnr'], 3)
        20.0

    Args:
        image: (3, H, W) floating point RGB in [0, 1], clamped if it is not.
        reference: The same shape, or None where no metric needs it.
        metrics: Names of ``QUALITY_METRICS``; there may be none where there are scorers.
        protocol: The rules; see :func:`get_protocol`.
        name: What error messages call the picture.
        scorers: Functions of the user, from :func:`llv.evaluation.load_scorers`: they see the picture as the protocol
            prepares it, rounded to 8 bits.

    Returns:
        A number a metric and a scorer; an infinite PSNR for pictures that are equal under the protocol.

    Raises:
        ValueError: There is no reference where one is needed, the sizes differ, the picture is too small for a metric
            or holds values that are not finite, or a scorer returns none.
        ImportError, FileNotFoundError: A metric's package or file is missing.
    """
    names = check_metrics(metrics) if metrics or not scorers else ()
    compared = [metric for metric in names if QUALITY_METRICS[metric].needs_reference]
    if compared and reference is None:
        raise ValueError(f'`{name}` has no reference, with which `{compared[0]}` compares.')
    if compared and image.shape != reference.shape:
        raise ValueError(
            f'`{name}` {tuple(image.shape)} and its reference {tuple(reference.shape)} must have one shape; choose '
            'references that are as many times larger than the dark pictures as `scale` of the enhancer says.'
        )
    if not bool(torch.isfinite(image).all()):
        raise ValueError(f'`{name}` holds values that are not finite, which no metric measures.')
    x = protocol.prepare(image[None])
    y = protocol.prepare(reference[None].to(image.device)) if compared else None
    values = {}
    for metric in names:
        pictures = (x, y) if QUALITY_METRICS[metric].needs_reference else (x,)
        try:
            values[metric] = QUALITY_METRICS[metric].compute(*pictures, protocol).item()
        except ValueError as error:
            raise ValueError(f'`{name}`: {error}') from error
    try:
        return values | score(x[0], scorers or {})
    except ValueError as error:
        raise ValueError(f'`{name}`: {error}') from error


def average(rows: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], int]:
    """Mean of each metric over pictures; infinite PSNR values are left out, as the authors of FECNet do, and counted.

    Args:
        rows: What :func:`measure` returned for each picture.

    Returns:
        The means (an infinite PSNR if all are), and how many infinite PSNR values were left out.

    Raises:
        ValueError: There is no picture.
    """
    if not rows:
        raise ValueError('There is no picture to average over; check the data set.')
    means, infinite = {}, 0
    for name in rows[0]:
        values = [row[name] for row in rows]
        kept = [value for value in values if not math.isinf(value)]
        infinite += len(values) - len(kept)
        means[name] = math.fsum(kept) / len(kept) if kept else math.inf
    return means, infinite


def by_group(
    groups: Sequence[Any], rows: Sequence[Mapping[str, float]]
) -> dict[Any, list[Mapping[str, float]]]:
    """The rows of each group, to be averaged one by one.

    Example:
        >>> by_group([-2.5, -10.0, -2.5], [dict(psnr=30.0), dict(psnr=10.0), dict(psnr=32.0)])
        {-10.0: [{'psnr': 10.0}], -2.5: [{'psnr': 30.0}, {'psnr': 32.0}]}

    Args:
        groups: What group each row is of; None is none.
        rows: What :func:`measure` returned.

    Returns:
        By size those that are numbers, then the others by name.
    """
    found: dict[Any, list[Mapping[str, float]]] = {}
    for group, row in zip(groups, rows, strict=True):
        if group is not None:
            found.setdefault(group, []).append(row)
    return dict(sorted(found.items(), key=_by_size_or_name))


def _by_size_or_name(item: tuple[Any, Any]) -> tuple[bool, float, str]:
    group = item[0]
    return (False, group, '') if isinstance(group, Real) else (True, 0.0, str(group))
