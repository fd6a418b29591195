"""Enhancing pictures in the data pipeline."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from llv.models.enhancers.build import build_enhancer
from llv.models.enhancers.precomputed import Precomputed
from llv.registry import TRANSFORMS
from llv.utils.pictures import to_tensor, to_uint8


@TRANSFORMS.register_module()
class EnhanceImage(BaseTransform):
    """Light ``results['img']`` with an enhancer that is not trained, right after it is loaded.

    The off-line counterpart of :class:`llv.models.EnhancedDataPreprocessor`: everything behind it,
    augmentation included, sees 8-bit lit pictures, as if the data set had been enhanced on disk. The
    enhancer is built once for each transform, in eval mode and without gradients; worker processes
    inherit it. It leaves sizes and labels alone.

    :class:`llv.models.enhancers.precomputed.Precomputed` is asked by ``img_path`` where there is one.

    Args:
        enhancer: Config of an enhancer whose ``scale`` is 1.
        device: Where it runs. Worker processes that are forked cannot use a GPU.

    Raises:
        ValueError: The enhancer enlarges pictures, or there is no such device.
    """

    def __init__(self, enhancer: dict, device: str = 'cpu') -> None:
        self.enhancer = build_enhancer(enhancer).eval().requires_grad_(False)
        if self.enhancer.scale != 1:
            raise ValueError(
                f'`{type(self.enhancer).__name__}` enlarges pictures {self.enhancer.scale} times, which '
                'boxes and masks in a pipeline cannot follow; use `llv.EnhancedDataPreprocessor`.'
            )
        try:
            self.device = torch.device(device)
        except RuntimeError as error:
            raise ValueError(
                f"`device` must be like 'cpu' or 'cuda:0', but got {device!r}."
            ) from error

    @torch.no_grad()
    def transform(self, results: dict) -> dict:
        """Replace ``img``, (H, W, 3) uint8 BGR, by the lit picture of the same size and type.

        Raises:
            ValueError, TypeError: ``img`` is no such picture.
        """
        picture = results['img']
        if picture.dtype != np.uint8:
            raise TypeError(
                f'`EnhanceImage` needs 8-bit pictures, but `img` holds {picture.dtype}; put it right '
                'after loading, and load without `to_float32`.'
            )
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(
                f'`EnhanceImage` needs colour pictures, but `img` has shape {picture.shape}; load with '
                "`color_type='color'`."
            )
        path = results.get('img_path')
        if isinstance(self.enhancer, Precomputed) and path is not None:
            lit = self.enhancer.read_partner(path)
            if lit.shape != picture.shape:
                raise ValueError(
                    f'The enhanced picture of `{path}` has size {lit.shape[:2]} but `img` '
                    f'{picture.shape[:2]}; put `EnhanceImage` right after loading, and enhance without '
                    'a change of size.'
                )
        else:
            lit = self._light(np.ascontiguousarray(picture[..., ::-1]))
        results['img'] = np.ascontiguousarray(lit[..., ::-1])
        return results

    def _light(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB in, the same out."""
        try:
            self.enhancer.to(self.device)
            images = to_tensor(picture)[None].to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"`EnhanceImage` cannot use `device='{self.device}'` here; choose 'cpu', or "
                '`num_workers=0` for a GPU.'
            ) from error
        return to_uint8(self.enhancer(images).image[0])

    def __repr__(self) -> str:
        return f'{type(self).__name__}({type(self.enhancer).__name__}, device={str(self.device)!r})'
