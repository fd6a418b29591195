"""VGG-16 as the face detectors use it: maps of stride 4 to 32, fc6 and fc7 as convolutions."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.registry import MODELS

# channels of the 3×3 convolutions, each followed by a ReLU; 'M' pools 2×2, 'C' does so with the last odd row and column
_VGG16 = (64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'C', 512, 512, 512, 'M', 512, 512, 512, 'M')
_FC = 1024
_TAPS = (15, 22, 29, 34)  # ReLUs of conv3_3, conv4_3, conv5_3 and fc7 in the flat list
_DILATIONS = (1, 3, 6)
_MIN_SIDE = 28  # below it nothing is left after the last pooling

# fc6 and fc7 are new beside the ImageNet weights of the thirteen: Xavier, as their papers do
_INITIALISATION = dict(
    type='Kaiming',
    layer='Conv2d',
    override=[
        dict(type='Xavier', name=name, layer='Conv2d', distribution='uniform', bias=0)
        for name in ('fc6', 'fc7')
    ],
)


def scaled_channels(channels: int, width: float) -> int:
    """``channels`` times ``width``, rounded to a multiple of 8, at least 8.

    Raises:
        ValueError: `width` is not positive.
    """
    if not width > 0:
        raise ValueError(f'`width` must be positive, but got {width!r}.')
    return max(8, round(channels * width / 8) * 8)


@MODELS.register_module()
class FaceVGG(BaseModule):
    """VGG-16 of S3FD (Single Shot Scale-invariant Face Detector, ICCV 2017, section 3.1), PyramidBox and DSFD.

    It differs from mmdet's ``SSDVGG`` in what follows conv5_3: a 2×2 pooling of stride 2, so that fc7 has stride 32,
    and an fc6 whose dilation is an argument. The layers are counted flat, convolutions, ReLUs and poolings alike, and
    keys read ``features.<index>.weight|bias`` with the indices 0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28 and 31
    (fc6), 33 (fc7): those of the published face detectors and, for the first thirteen, of
    ``open-mmlab://vgg16_caffe``.

    Args:
        fc6_dilation: 1, 3 or 6, which differs between the published detectors: 3 in S3FD and the community's DSFD, 1
            in the VGG option of the DSFD release, 6 in a port of PyramidBox. It leaves no trace in the weights.
        width: Multiplies all channels; see :func:`scaled_channels`.
        init_cfg: What follows upon Kaiming (Xavier for fc6 and fc7), such as
            ``dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe')``, which has the thirteen convolutions.

    Raises:
        ValueError: `fc6_dilation` or `width` is not possible.
    """

    def __init__(
        self, fc6_dilation: int = 3, width: float = 1.0, init_cfg: dict | list[dict] | None = None
    ) -> None:
        given = [] if init_cfg is None else [init_cfg] if isinstance(init_cfg, dict) else init_cfg
        super().__init__(init_cfg=[_INITIALISATION, *given])
        if fc6_dilation not in _DILATIONS:
            raise ValueError(
                f'`fc6_dilation` must be one of {_DILATIONS}, but got {fc6_dilation!r}.'
            )
        layers: list[nn.Module] = []
        channels = 3
        for step in _VGG16:
            if isinstance(step, str):
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=step == 'C'))
                continue
            wider = scaled_channels(step, width)
            layers += [nn.Conv2d(channels, wider, 3, padding=1), nn.ReLU(inplace=True)]
            channels = wider
        fc = scaled_channels(_FC, width)
        layers += [
            nn.Conv2d(channels, fc, 3, padding=fc6_dilation, dilation=fc6_dilation),
            nn.ReLU(inplace=True),
            nn.Conv2d(fc, fc, 1),
            nn.ReLU(inplace=True),
        ]
        self.features = nn.Sequential(*layers)

    @property
    def fc6(self) -> nn.Conv2d:
        """The 3×3 convolution in place of VGG's first fully connected layer."""
        return self.features[31]

    @property
    def fc7(self) -> nn.Conv2d:
        """The 1×1 convolution in place of VGG's second fully connected layer."""
        return self.features[33]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps of stride 4, 8, 16 and 32 (conv3_3, conv4_3, conv5_3, fc7) with 256, 512, 512 and 1024 channels at
        width 1, all after their ReLU.

        Args:
            images: (N, 3, H, W), BGR 0..255 minus (104, 117, 123) for the published weights; at least 28 pixels high
                and wide.

        Raises:
            ValueError: They are smaller.
        """
        height, width = images.shape[-2:]
        if min(height, width) < _MIN_SIDE:
            raise ValueError(
                f'`FaceVGG` needs pictures of at least {_MIN_SIDE} pixels a side, but got {height} x {width}; enlarge '
                'them, leave out the smallest views, or set `pad_size_divisor=32` of the `data_preprocessor`.'
            )
        maps = []
        for index, layer in enumerate(self.features):
            images = layer(images)
            if index in _TAPS:
                maps.append(images)
        return tuple(maps)
