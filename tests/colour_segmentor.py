"""A segmentor whose answer at a pixel is a fixed function of the pixel's colour, through all of mmseg's own code."""

import numpy as np
import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn
from toys import Nearest  # noqa: F401

from llv.registry import MODELS

CLASSES = 5
NORMALISE = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
WEIGHT = np.random.default_rng(7).normal(size=(CLASSES, 3)).astype(np.float32)


@MODELS.register_module()
class PictureAsFeature(nn.Module):
    """The feature map is the picture."""

    def forward(self, inputs):
        return (inputs,)


@MODELS.register_module()
class ColourHead(BaseDecodeHead):
    """mmseg's head with one fixed 1×1 convolution; the logits differ much in size, so blurring them shows."""

    def __init__(self, weight=WEIGHT):
        super().__init__(3, 3, num_classes=CLASSES, dropout_ratio=0, init_cfg=None)
        self.conv_seg.weight.data = torch.as_tensor(weight)[:, :, None, None].clone()
        self.conv_seg.bias.data.zero_()

    def forward(self, inputs):
        return self.cls_seg(self._transform_inputs(inputs))


def preprocessor(scale, **base):
    """The config of mmseg's preprocessor behind an enhancer of that scale; 0 is without one."""
    plain = dict(type='mmseg.SegDataPreProcessor', **NORMALISE, **base)
    if not scale:
        return plain
    enhancer = dict(type='llv.Nearest', scale=scale)
    return dict(type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=plain)


def colour_segmentor(scale, inference=None, **base):
    """The config of the segmentor; `inference` is its ``test_cfg``, `base` belongs to mmseg's preprocessor."""
    return dict(
        type='mmseg.EncoderDecoder',
        backbone=dict(type='llv.PictureAsFeature'),
        decode_head=dict(type='llv.ColourHead'),
        data_preprocessor=preprocessor(scale, **base),
        test_cfg=inference or dict(mode='whole'),
    )


def labelled_picture(rng, height, width, block=1):
    """A picture in BGR of blocks of one colour, and a label map that :class:`ColourHead` meets at most pixels.

    Of the label pixels 0.3 are drawn again, and 0.1 are ignored, both pixel by pixel.
    """
    small = rng.integers(0, 256, (-(-height // block), -(-width // block), 3)).astype(np.uint8)
    picture = np.kron(small, np.ones((block, block, 1), np.uint8))[:height, :width]
    rgb = (picture[..., ::-1] - np.array(NORMALISE['mean'])) / NORMALISE['std']
    label = (rgb @ WEIGHT.T).argmax(-1).astype(np.uint8)
    drawn = rng.random((height, width))
    other = rng.integers(0, CLASSES, (height, width))
    label = np.where(drawn < 0.3, other, label)
    return picture, np.where(drawn > 0.9, 255, label).astype(np.uint8)


def miou(predictions, labels):
    """Mean IoU in percent over some pairs of label maps, counted class by class."""
    pairs = [
        (np.asarray(p).squeeze(), np.asarray(t).squeeze())
        for p, t in zip(predictions, labels, strict=True)
    ]
    values = []
    for k in range(CLASSES):
        both = sum(((p == k) & (t == k)).sum() for p, t in pairs)
        either = sum((((p == k) | (t == k)) & (t != 255)).sum() for p, t in pairs)
        values.append(100 * both / either)
    return float(np.mean(values))
