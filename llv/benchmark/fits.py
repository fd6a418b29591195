"""What the controls of a benchmark take from folders of pictures; no label and no training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from llv.models.enhancers import fit_fixed_gain
from llv.utils.pictures import read_picture, to_tensor

PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')


def fit_control(fit: dict[str, str]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Fit a control.

    Args:
        fit: ``kind`` and folders, see :class:`llv.benchmark.matrix.EnhancerChoice`; folders in them count too.

    Returns:
        The config of its enhancer or None, and config options, those of a preprocessor with R, G and B in this order.

    Raises:
        FileNotFoundError: A folder holds no picture.
    """
    kind = fit['kind']
    if kind == 'gain':
        gain = fit_fixed_gain(_pictures(fit['dark']), _pictures(fit['bright']))
        return dict(type='llv.FixedGain', gain=_rounded(gain)), {}
    if kind == 'mean':
        mean, _ = channel_statistics(_pictures(fit['bright']))
        return dict(type='llv.MeanMatch', target=_rounded(mean)), {}
    mean, std = channel_statistics(_pictures(fit['dark']))
    return None, {
        'model.data_preprocessor.mean': _rounded(255 * mean, 2),
        'model.data_preprocessor.std': _rounded(255 * std, 2),
    }


def merge_fit(cfg: Config, options: Mapping[str, Any]) -> None:
    """Put the options of :func:`fit_control` into the config of a model without an enhancer.

    A preprocessor at the top level of the config moves into the model, as :func:`llv.apis.plug_enhancer` moves it, and
    the figures follow the order of channels in which it normalises.

    Args:
        cfg: Changed in place.
        options: By dotted key.

    Raises:
        ValueError: There is no preprocessor.
    """
    if not options:
        return
    above = cfg.pop('data_preprocessor', None)
    preprocessor = cfg.model.setdefault('data_preprocessor', above)
    if not preprocessor:
        raise ValueError(
            f'The model of `{cfg.filename}` has no `data_preprocessor` whose mean and std could be set; give it one.'
        )
    rgb = preprocessor.get('bgr_to_rgb', False)
    cfg.merge_from_dict({key: value if rgb else value[::-1] for key, value in options.items()})


def channel_statistics(pictures: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of R, G and B over all pixels of pictures.

    Args:
        pictures: Each (3, H, W) RGB in [0, 1]; every picture counts the same.

    Returns:
        (3,) and (3,).
    """
    first, second, count = torch.zeros(3).double(), torch.zeros(3).double(), 0
    for picture in pictures:
        first += picture.double().mean((1, 2))
        second += picture.double().square().mean((1, 2))
        count += 1
    mean = first / count
    return mean, (second / count - mean.square()).clamp_min(0).sqrt()


def _pictures(folder: str) -> Iterator[Tensor]:
    files = sorted(f for f in Path(folder).rglob('*') if f.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f'`{folder}` holds no picture to fit to; check the path.')
    return (to_tensor(read_picture(file)) for file in files)


def _rounded(values: Tensor, digits: int = 4) -> list[float]:
    return [round(value, digits) for value in values.tolist()]
