"""PyramidBox: A Context-Assisted Single Shot Face Detector (Tang et al., ECCV 2018)."""

from __future__ import annotations

from typing import Any

from llv.models.backbones import scaled_channels
from llv.models.dense_heads.face_head import PYRAMIDBOX_GROUPS
from llv.registry import MODELS

from .face_detector import FaceDetector


@MODELS.register_module()
class PyramidBox(FaceDetector):
    """PyramidBox as its community re-implementation has it: S3FD's levels, a multiplying pyramid from fc7 down, a
    context module on each level, and outputs for face and head, of which only the face is predicted.

    Pictures are BGR 0..255; the preprocessor subtracts (104, 117, 123).

    Args:
        width: Multiplies the channels inside; 1 is the published network.
        fc6_dilation: 1, 3 or 6; the weights of the community are for 6.
        init_cfg: As in every mmengine module.
        parts: ``backbone``, ``neck``, ``bbox_head``, ``train_cfg``, ``test_cfg``, ``data_preprocessor``: what is to be
            different; a config with ``type`` replaces the part, one without changes its arguments.

    Example:
        >>> detector = PyramidBox(width=0.125)
    """

    def __init__(
        self,
        width: float = 1.0,
        fc6_dilation: int = 6,
        init_cfg: dict | None = None,
        **parts: Any,
    ) -> None:
        channels = [scaled_channels(c, width) for c in (256, 512, 512, 1024, 512, 256)]
        context = scaled_channels(512, width)
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
                # levels 0 to 2, in the light of level 3
                fpn=dict(type='llv.ProductFPN', in_channels=channels, top_level=3, relu=True),
                norm=dict(type='llv.L2NormNeck', in_channels=channels[:3], scales=(10, 8, 5)),
                # all levels
                context=dict(type='llv.ContextNeck', in_channels=channels, out_channels=context),
            ),
            bbox_head=dict(
                type='llv.FaceHead',
                in_channels=[context] * 6,
                max_out='pyramidbox',
                groups=PYRAMIDBOX_GROUPS,
            ),
            train_cfg=dict(
                assigner=dict(
                    type='llv.ScaleCompensationAssigner', pos_iou_thr=0.35, compensate=None
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
