"""S3FD: Single Shot Scale-invariant Face Detector (Zhang et al., ICCV 2017)."""

from __future__ import annotations

from typing import Any

from llv.models.backbones import scaled_channels
from llv.registry import MODELS

from .face_detector import FaceDetector


@MODELS.register_module()
class S3FD(FaceDetector):
    """S3FD: six levels of VGG-16, one anchor a cell, three backgrounds on the finest level.

    Pictures are BGR 0..255; the preprocessor subtracts (104, 117, 123). At 640 × 640 there are 34 125 anchors of 16 to
    512 pixels.

    Args:
        width: Multiplies the channels inside; 1 is the published network.
        fc6_dilation: 1, 3 or 6; the community's weights are made for 3.
        init_cfg: As in every mmengine module.
        parts: ``backbone``, ``neck``, ``bbox_head``, ``train_cfg``, ``test_cfg``, ``data_preprocessor``: what is to be
            different; a config with ``type`` replaces the part, one without changes its arguments
            (``backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe'))``).

    Example:
        >>> detector = S3FD(width=0.125)
    """

    def __init__(
        self,
        width: float = 1.0,
        fc6_dilation: int = 3,
        init_cfg: dict | None = None,
        **parts: Any,
    ) -> None:
        channels = [scaled_channels(c, width) for c in (256, 512, 512, 1024, 512, 256)]
        defaults = dict(
            backbone=dict(type='llv.FaceVGG', fc6_dilation=fc6_dilation, width=width),
            neck=dict(
                type='llv.NeckChain',
                # levels 4 and 5
                extra=dict(
                    type='llv.FaceExtraNeck',
                    in_channels=channels[3],
                    mid_channels=[scaled_channels(c, width) for c in (256, 128)],
                    out_channels=channels[4:],
                ),
                # levels 0 to 2
                norm=dict(type='llv.L2NormNeck', in_channels=channels[:3], scales=(10, 8, 5)),
            ),
            bbox_head=dict(type='llv.FaceHead', in_channels=channels, max_out='s3fd'),
            train_cfg=dict(
                assigner=dict(
                    type='llv.ScaleCompensationAssigner', pos_iou_thr=0.35, compensate='mean'
                )
            ),
            test_cfg=dict(
                nms_pre=5000,
                score_thr=0.05,
                nms=dict(type='nms', iou_threshold=0.3),
                max_per_img=750,
            ),
        )
        super().__init__(defaults, init_cfg, **parts)
