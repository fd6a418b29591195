"""Darkening of well-lit pictures in a pipeline, for detectors, segmentors and enhancers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from llv.datasets.night_scenes.render import (
    Conditions,
    draw_lights,
    render_night,
    srgb_to_linear,
)
from llv.registry import TRANSFORMS

RANGES: dict[str, dict[str, tuple[float, float]]] = dict(
    gamma=dict(gamma=(2.0, 5.0), scale=(0.5, 1.0), noise=(0.0, 0.03)),
    physical=dict(
        exposure_ev=(-5.5, -2.5),
        lamps=(0, 3),
        red_gain=(0.85, 1.1),
        blue_gain=(0.45, 1.0),
        shot_noise=(1e-4, 3e-4),
        read_noise=(2e-4, 8e-4),
    ),
)
# Quantities that are log-uniform in their range, as those of the night scenes.
_LOGARITHMIC = ('blue_gain', 'shot_noise', 'read_noise')
# Shorter side of the small picture that lamps are tried out on: their geometry is free of scale.
_SKETCH = 64
_LINEAR = srgb_to_linear(np.arange(256, dtype=np.uint8))


@TRANSFORMS.register_module()
class SyntheticLowLight(BaseTransform):
    """Darken ``results['img']``; labels, boxes and sizes stay as they are.

    ``mode='gamma'``: ``scale * x ** gamma + noise * n`` on the picture in 0..1, n standard normal:
    the darkening of Cityscapes and others in the literature (gamma 2 to 5, linear scaling, noise).

    ``mode='physical'``: the photograph is taken as the even light of a scene and taken again at
    night, as :mod:`llv.datasets.night_scenes.render` does: sRGB curve undone, exposure, lamps with
    inverse-square fall-off, white balance, photon and read noise, clipping, sRGB curve. 0 lamps is
    even light; with lamps, the brightest place has at least 10 times the light of the darkest.

    Both round to 8 bits, as a camera does; that cannot be undone and belongs to the difficulty.

    Each quantity is drawn for each picture from its range, uniformly (blue gain and noise levels
    log-uniformly, the number of lamps among whole numbers). The generator is seeded from numpy's
    global one, so a seeded run repeats its pictures. What was drawn is in ``results['low_light']``:
    name it in ``meta_keys`` when packing to keep it.

    Geometry comes before this transform: mm's crops and flips leave a kept reference behind, and
    fills of an expanded picture would be darkened like the rest. Photometric changes too.

    Example:
        >>> dark = SyntheticLowLight('gamma', gamma=(3, 3), noise=(0, 0))
        >>> dark(dict(img=np.full((4, 4, 3), 128, np.uint8)))['img'].max() < 40
        True

    Args:
        mode: ``'physical'`` or ``'gamma'``.
        prob: Probability of darkening; the other pictures stay bright.
        keep_reference: Put a copy of the bright picture, 8 bits, into ``results['reference']``, as
            :class:`LoadReference` does, so that enhancers are trained on the pair.
        **ranges: (low, high) of a quantity of the mode, by default ``RANGES[mode]``: ``gamma``,
            ``scale``, ``noise`` (standard deviation, full scale 1), or ``exposure_ev`` (stops),
            ``lamps``, ``red_gain``, ``blue_gain``, ``shot_noise`` (variance per unit of signal),
            ``read_noise`` (standard deviation).

    Raises:
        ValueError: An argument is out of range, or the mode has no such quantity.
    """

    def __init__(
        self,
        mode: str = 'physical',
        prob: float = 1.0,
        keep_reference: bool = False,
        **ranges: tuple[float, float],
    ) -> None:
        if mode not in RANGES:
            raise ValueError(f"`mode` is 'physical' or 'gamma', not {mode!r}.")
        if not 0 <= prob <= 1:
            raise ValueError(f'`prob` is a probability from 0 to 1, but got {prob}.')
        unknown = sorted(set(ranges) - set(RANGES[mode]))
        if unknown:
            raise ValueError(
                f'`{unknown[0]}` is no quantity of mode {mode!r}: choose from '
                f'{", ".join(RANGES[mode])}.'
            )
        self.mode = mode
        self.prob = prob
        self.keep_reference = keep_reference
        self.ranges = {
            name: _checked(name, ranges.get(name, usual)) for name, usual in RANGES[mode].items()
        }

    def transform(self, results: dict) -> dict:
        """Darken ``img``, (H, W, 3) BGR, uint8 or float32 in 0..255; the type stays.

        Raises:
            TypeError, ValueError: ``img`` is no such picture.
        """
        picture = results['img']
        if picture.dtype not in (np.uint8, np.float32):
            raise TypeError(
                '`SyntheticLowLight` needs uint8 or float32 in 0..255, but `img` holds '
                f'{picture.dtype}; put it right after loading.'
            )
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(
                f'`SyntheticLowLight` needs colour pictures, but `img` has shape {picture.shape}; '
                "load with `color_type='color'`."
            )
        # one draw whatever happens, so that `prob` does not shift what is drawn later
        key = np.random.randint(0, 2**31, 4)
        rng = np.random.default_rng(np.random.SeedSequence(key.tolist()))
        if self.keep_reference:
            results['reference'] = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
        if rng.random() >= self.prob:
            return results
        darken = self._physical if self.mode == 'physical' else self._gamma
        dark, drawn = darken(picture, rng)
        results['img'] = dark.astype(picture.dtype)
        results['low_light'] = dict(mode=self.mode, **drawn)
        return results

    def _gamma(
        self, picture: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        drawn = {name: self._draw(name, rng) for name in ('gamma', 'scale', 'noise')}
        if picture.dtype == np.uint8:
            dark = (drawn['scale'] * (np.arange(256) / 255) ** drawn['gamma']).astype(np.float32)
            dark = dark[picture]
        else:
            dark = drawn['scale'] * np.clip(picture / 255, 0, 1) ** np.float32(drawn['gamma'])
        dark = dark + np.float32(drawn['noise']) * rng.standard_normal(dark.shape, np.float32)
        return np.rint(np.clip(dark, 0, 1) * 255), drawn

    def _physical(
        self, picture: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        conditions = self._draw_conditions(picture.shape[:2], rng)
        rgb = np.ascontiguousarray(picture[..., ::-1])
        if picture.dtype == np.uint8:
            linear = np.take(_LINEAR, rgb)
        else:
            linear = srgb_to_linear(np.clip(rgb / 255, 0, 1))
        dark = render_night(linear, rng, conditions)[..., ::-1]
        return np.ascontiguousarray(dark), conditions.to_dict()

    def _draw_conditions(self, size: tuple[int, int], rng: np.random.Generator) -> Conditions:
        exposure = self._draw('exposure_ev', rng)
        low, high = self.ranges['lamps']
        count = int(rng.integers(int(low), int(high) + 1))
        lights = ()
        if count:
            scale = max(min(size) / _SKETCH, 1.0)
            sketch = tuple(max(1, round(side / scale)) for side in size)
            lights = tuple(
                replace(
                    light,
                    # pixel centres are whole numbers
                    x=(light.x + 0.5) * scale - 0.5,
                    y=(light.y + 0.5) * scale - 0.5,
                    height=light.height * scale,
                )
                for light in draw_lights(rng, sketch, 2.0**exposure, count)
            )
        red, blue = self._draw('red_gain', rng), self._draw('blue_gain', rng)
        shot, read = self._draw('shot_noise', rng), self._draw('read_noise', rng)
        return Conditions(exposure, lights, (red, 1.0, blue), shot, read)

    def _draw(self, name: str, rng: np.random.Generator) -> float:
        low, high = self.ranges[name]
        if name in _LOGARITHMIC and low > 0:
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return float(rng.uniform(low, high))

    def __repr__(self) -> str:
        ranges = ', '.join(f'{name}={value}' for name, value in self.ranges.items())
        return (
            f'{type(self).__name__}(mode={self.mode!r}, prob={self.prob}, '
            f'keep_reference={self.keep_reference}, {ranges})'
        )


def _checked(name: str, bounds: Any) -> tuple[float, float]:
    """A range in order and within what the quantity allows."""
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        raise ValueError(f'`{name}` is a range (low, high), but got {bounds!r}.') from None
    negative = low < 0 and name != 'exposure_ev'
    if not low <= high or negative:
        least = '' if name == 'exposure_ev' else ', from 0 up'
        raise ValueError(f'`{name}` is a range (low, high) in order{least}, but got {bounds!r}.')
    return low, high
