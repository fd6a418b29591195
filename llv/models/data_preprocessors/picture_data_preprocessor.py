"""Pictures for an enhancer that is trained alone."""

from mmengine.model import BaseDataPreprocessor

from llv.registry import MODELS


@MODELS.register_module()
class PictureDataPreprocessor(BaseDataPreprocessor):
    """Hand pictures over as RGB in [0, 1], each in its own size: nothing is normalised, padded or stacked.

    Args:
        channel_order: ``'bgr'`` (mm's loaders) or ``'rgb'``, the order in which the loader hands pictures over.
    """

    def __init__(self, channel_order: str = 'bgr', non_blocking: bool = False) -> None:
        super().__init__(non_blocking)
        if channel_order not in ('bgr', 'rgb'):
            raise ValueError(f"`channel_order` must be 'bgr' or 'rgb', but got {channel_order!r}.")
        self.channel_order = channel_order

    def forward(self, data: dict, training: bool = False) -> dict:
        """``inputs``: (3, H, W) tensors, uint8 or float in 0..255, become a list of float32 RGB in [0, 1]."""
        data = self.cast_data(data)
        pictures = [(picture.float() / 255).clamp(0, 1) for picture in data['inputs']]
        if self.channel_order == 'bgr':
            pictures = [picture.flip(0) for picture in pictures]
        return dict(inputs=pictures, data_samples=data.get('data_samples'))
