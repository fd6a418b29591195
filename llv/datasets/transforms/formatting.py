"""Packing pictures for an enhancer."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import BaseDataElement, PixelData

from llv.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackEnhancementInputs(BaseTransform):
    """Pack ``img`` (and ``reference``) for :class:`llv.models.EnhancementModel`.

    ``inputs`` is (3, H, W) in the loader's order and type; ``data_samples.reference``, where there is one, is
    PixelData with (3, H, W) uint8 RGB.

    Args:
        meta_keys: Entries of ``results`` to keep in the sample's metainfo, where present; ``exposure`` and
            ``dataset`` are groups that measurements can be reported by.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            'img_path',
            'reference_path',
            'exposure',
            'dataset',
            'img_shape',
            'ori_shape',
        ),
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``dict(inputs=…, data_samples=…)``."""
        sample = BaseDataElement(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        if 'reference' in results:
            # mmcv loads BGR; references are RGB everywhere in llv
            reference = np.ascontiguousarray(results['reference'][..., ::-1].transpose(2, 0, 1))
            sample.set_field(
                PixelData(data=torch.from_numpy(reference)), 'reference', dtype=PixelData
            )
        picture = np.ascontiguousarray(results['img'].transpose(2, 0, 1))
        return dict(inputs=torch.from_numpy(picture), data_samples=sample)
