"""The detector of RUAS, whose neck and head were searched.

Liu et al., "Learning with Nested Scene Modeling and Cooperative Architecture Search for Low-Light
Vision". Structure, anchors, loss and post-processing follow the code released for tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llv.models.backbones import scaled_channels
from llv.models.dense_heads.searched_face_head import SearchedFaceHead  # noqa: F401
from llv.models.necks.searched_extra_neck import SearchedExtraNeck  # noqa: F401
from llv.registry import MODELS
from llv.search.genotypes import DetectorGenotype, detector_genotype

from .face_detector import FaceDetector, changed

BACKBONES = ('vgg16', 'resnet50', 'resnet101', 'resnet152')
# RGB, unlike the other face detectors; the scene module sees the picture before
PREPROCESSOR = dict(
    type='llv.EnhancedDataPreprocessor',
    enhancer=dict(type='llv.RUAS', variant='detection'),
    base=dict(
        type='mmdet.DetDataPreprocessor', mean=[123, 117, 104], std=[1, 1, 1], bgr_to_rgb=True
    ),
)


@MODELS.register_module()
class RUASDetector(FaceDetector):
    """Face detector behind a scene module, whose neck and head were searched on DARK FACE.

    ============ ==================================================== =================== ==========
    part         what it is                                           puts out            parameters
    ============ ==================================================== =================== ==========
    preprocessor scene module of :class:`llv.models.enhancers.RUAS`   the lit picture            549
    backbone     VGG-16, fc6 of dilation 3                            4 maps, stride 4–32 20 483 904
    neck         four searched layers after the last map,             6 maps, stride      22 774 912
                 L2 norms (10, 8, 5) of the first three               4–128               1 280
    bbox_head    a searched layer for boxes                           4 channels          151 576
                 and one for background and face, on each map         2 channels          206 860
    ============ ==================================================== =================== ==========

    One square anchor a cell, half as large as that of S3FD; matching at an IoU of 0.3. Pictures are
    tested at 1 500 000 pixels, see ``llv.ResizeToArea``.

    It knows one class, the face. The network that the paper searched for the twelve classes of ExDark
    was not published, and this one does not stand in for it; see ``configs/ssd`` for ExDark.

    Only the network with VGG-16 was released. Of those with a ResNet (Table VII of the paper) nothing
    but the name is known; here they take the four stages as they are, without L2 norms, because batch
    normalisation keeps their maps from growing as those of VGG do.

    Args:
        genotype: ``ruas-darkface``, or the names of layers under ``neck`` (4), ``loc`` (6) and
            ``conf`` (6); see :class:`llv.search.genotypes.DetectorGenotype`.
        backbone: ``vgg16``, ``resnet50``, ``resnet101`` or ``resnet152``.
        anchor_sizes: Side of the anchors of each map, in pixels.
        width: Multiplies the channels of backbone and neck; 1 is the published network.
        pretrained: File or address of weights that the backbone starts from.
        init_cfg: As in every mmengine module.
        parts: ``neck``, ``bbox_head``, ``train_cfg``, ``test_cfg``, ``data_preprocessor``: what is to be
            different; a config with ``type`` replaces the part, one without changes its arguments
            (``data_preprocessor=dict(enhancer=dict(type='llv.Identity'))``).

    Raises:
        ValueError: The genotype names no layer, or `backbone` or `width` is not possible.

    Example:
        >>> detector = RUASDetector(backbone='resnet50', width=0.125)
    """

    def __init__(
        self,
        genotype: str | Mapping[str, Sequence[str]] | DetectorGenotype = 'ruas-darkface',
        backbone: str = 'vgg16',
        anchor_sizes: Sequence[float] = (8, 16, 32, 64, 128, 256),
        width: float = 1.0,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
        **parts: Any,
    ) -> None:
        if backbone not in BACKBONES:
            raise ValueError(
                f'`backbone` must be one of {", ".join(BACKBONES)}, but got {backbone!r}.'
            )
        genotype = detector_genotype(genotype)
        vgg = backbone == 'vgg16'
        if vgg:
            body = dict(type='llv.FaceVGG', fc6_dilation=3, width=width)
            channels = [scaled_channels(c, width) for c in (256, 512, 512, 1024)]
        else:
            base = scaled_channels(64, width)
            # ImageNet's statistics do not belong to pictures in 0..255
            depth = int(backbone.removeprefix('resnet'))
            body = dict(type='mmdet.ResNet', depth=depth, base_channels=base, norm_eval=False)
            channels = [base * factor for factor in (4, 8, 16, 32)]
        if pretrained is not None:
            body['init_cfg'] = dict(type='Pretrained', checkpoint=pretrained)
        extra = [scaled_channels(c, width) for c in (256, 512, 128, 256)]
        neck = dict(
            type='llv.NeckChain',
            # levels 4 and 5
            extra=dict(
                type='llv.SearchedExtraNeck',
                layers=genotype.neck,
                in_channels=channels[3],
                channels=extra,
            ),
        )
        if vgg:  # levels 0 to 2
            neck['norm'] = dict(type='llv.L2NormNeck', in_channels=channels[:3], scales=(10, 8, 5))
        defaults = dict(
            backbone=body,
            neck=neck,
            bbox_head=dict(
                type='llv.SearchedFaceHead',
                loc=genotype.loc,
                conf=genotype.conf,
                in_channels=[*channels, extra[1], extra[3]],
                anchor_sizes=anchor_sizes,
            ),
            train_cfg=dict(
                assigner=dict(
                    type='llv.ScaleCompensationAssigner', pos_iou_thr=0.3, compensate=None
                )
            ),
            test_cfg=dict(
                nms_pre=5000,
                score_thr=0.05,
                nms=dict(type='nms', iou_threshold=0.3),
                max_per_img=750,
            ),
        )
        preprocessor = changed(PREPROCESSOR, parts.pop('data_preprocessor', None))
        super().__init__(defaults, init_cfg, data_preprocessor=preprocessor, **parts)
