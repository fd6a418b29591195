"""Large well-lit pictures photographed again, small and dark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from llv.datasets.night_scenes.coupled import STOPS, shrink
from llv.datasets.night_scenes.painting import stream
from llv.datasets.night_scenes.render import Conditions, render_night, srgb_to_linear
from llv.registry import TRANSFORMS

_LINEAR = srgb_to_linear(np.arange(256, dtype=np.uint8))


@TRANSFORMS.register_module()
class CoupledDarkening(BaseTransform):
    """Take ``results['img']`` as the ``reference`` of a picture that is `scale` times smaller and dark.

    In linear light, the sRGB curve undone: the mean over squares of `scale` pixels, times 2^E; Gaussian noise of
    variance ``shot_noise · signal + read_noise²`` in each pixel and channel by itself; clipping, the sRGB curve and 8
    bits. Where the picture's sides are no multiples of `scale`, its right and lower border is cut off first.

    TriCo (Gao and Liu, ACM MM 2024) measures on Cityscapes darkened in a supplement that is not public. This is ours,
    in stops because that paper counts darkness in stops.

    E goes into ``results['ev']``: with it among the ``meta_keys`` of ``llv.PackEnhancementInputs``,
    ``llv.ImageQuality(groups='ev')`` reports each exposure. Labels and boxes do not follow.

    Args:
        scale: Sides of the reference in those of the dark picture; 1 only darkens.
        stops: What E is drawn from, all equally likely.
        shot_noise: Variance for each unit of signal, full scale 1.
        read_noise: Standard deviation of the noise that is there without signal.
        fixed: E and the noise follow from `seed` and the name of the file, without folders and extension, for tests:
            every run and every method measures the same pictures. By default they are drawn from numpy's global
            generator, anew each time.
        seed: Any integer; only looked at where `fixed`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        scale: int = 2,
        stops: Sequence[float] = STOPS,
        shot_noise: float = 2e-4,
        read_noise: float = 1e-3,
        fixed: bool = False,
        seed: int = 0,
    ) -> None:
        if not isinstance(scale, int) or scale < 1:
            raise ValueError(f'`scale` is a whole number of at least 1, but got {scale!r}.')
        if not stops or not np.isfinite(stops).all():
            raise ValueError(f'`stops` holds at least one number, but got {stops!r}.')
        for name, value in (('shot_noise', shot_noise), ('read_noise', read_noise)):
            if not 0 <= value < np.inf:
                raise ValueError(f'`{name}` is a number from 0 up, but got {value!r}.')
        self.scale = scale
        self.stops = tuple(float(stop) for stop in stops)
        self.shot_noise, self.read_noise = shot_noise, read_noise
        self.fixed = fixed
        self.seed = seed

    def transform(self, results: dict) -> dict:
        """Replace ``img``, (H, W, 3) uint8 BGR, by (H // scale, W // scale, 3); add ``reference`` and ``ev``.

        Raises:
            TypeError, ValueError: ``img`` is no such picture, or smaller than `scale`.
        """
        picture = results['img']
        if picture.dtype != np.uint8:
            raise TypeError(
                f'`CoupledDarkening` needs 8-bit pictures, but `img` holds {picture.dtype}; put it right after '
                'loading, and load without `to_float32`.'
            )
        height, width = (side - side % self.scale for side in picture.shape[:2])
        if not (height and width) or picture.shape[2:] != (3,):
            raise ValueError(
                f'`CoupledDarkening` needs colour pictures of {self.scale} pixels a side at least, but '
                f'`{results.get("img_path")}` has shape {picture.shape}; leave it out or choose a smaller `scale`.'
            )
        reference = picture[:height, :width]
        rng = self._generator(results)
        stops = self.stops[int(rng.integers(len(self.stops)))]
        linear = np.take(_LINEAR, reference[..., ::-1])
        conditions = Conditions(stops, (), (1.0, 1.0, 1.0), self.shot_noise, self.read_noise)
        dark = render_night(shrink(linear, self.scale), rng, conditions)
        results['img'] = np.ascontiguousarray(dark[..., ::-1])
        results['reference'] = np.ascontiguousarray(reference)
        results['img_shape'] = results['img'].shape[:2]
        results['ev'] = stops
        return results

    def _generator(self, results: dict) -> np.random.Generator:
        if not self.fixed:
            key = np.random.randint(0, 2**31, 4)
            return np.random.default_rng(np.random.SeedSequence(key.tolist()))
        path = results.get('img_path')
        if path is None:
            raise ValueError(
                '`CoupledDarkening(fixed=True)` draws by the name of the file, but there is no `img_path`; set '
                '`fixed=False`.'
            )
        return stream('coupled darkening', self.seed, Path(path).stem)
