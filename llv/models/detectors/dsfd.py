"""DSFD: Dual Shot Face Detector (Li et al., CVPR 2019), in its three published forms."""

from __future__ import annotations

from typing import Any

from llv.models.backbones import scaled_channels
from llv.models.dense_heads.face_head import DSFD_GROUPS
from llv.registry import MODELS

from .face_detector import FaceDetector

_PRESETS = dict(release=152, paper=16, vgg=16)  # and the depth of each
_DEPTHS = (16, 50, 101, 152)


@MODELS.register_module()
class DSFD(FaceDetector):
    """DSFD. Three different networks carry the name:

    ================  =========================  ========================  =============================
    ``preset``        ``release``                ``paper``                 ``vgg``
    ================  =========================  ========================  =============================
    from              the authors' test code     the paper                 the community
    shots             one, three anchor groups   two                       two
    pyramid           levels 3 to 0, no ReLU     each level with the next  levels 5 to 0, with ReLU
    enhancement       :class:`ReleaseFEM`        :class:`ThreeBranchFEM` on thirds and on all channels
    anchors           16…512, ratio 1.5          8…256 and 16…512, 1.5     8…256 and 16…512, ratio 1
    max-out           yes                        no                        no
    matching IoU      0.4                        0.4                       0.35
    ================  =========================  ========================  =============================

    The pyramid of ``vgg`` begins at the original maps before the L2 normalisation, which the heads of the first shot
    see, as in the community's code; that ``paper`` does so too is our choice.

    Pictures are BGR 0..255; the preprocessor subtracts (104, 117, 123).

    Args:
        preset: ``'release'``, ``'paper'`` or ``'vgg'``.
        depth: 16 (VGG) or 50, 101, 152 (ResNet); the published depth of the preset if None: 152, 16, 16. The L2
            normalisation belongs to VGG; a ResNet goes without. ``vgg`` has no other depth than 16.
        width: Multiplies the channels inside; 1 is the published network.
        fc6_dilation: Of a VGG: 1, 3 or 6; None takes 1 for the release and else 3. A ResNet has none.
        init_cfg: As in every mmengine module.
        parts: ``backbone``, ``neck``, ``bbox_head``, ``train_cfg``, ``test_cfg``, ``data_preprocessor``: what is to be
            different; a config with ``type`` replaces the part, one without changes its arguments
            (``neck=dict(fpn=dict(align_corners=True))``).

    Raises:
        ValueError: There is no such preset, or not with this depth, or a ResNet is to have an fc6.

    Example:
        >>> detector = DSFD('release', depth=50, width=0.125)
    """

    def __init__(
        self,
        preset: str = 'release',
        depth: int | None = None,
        width: float = 1.0,
        fc6_dilation: int | None = None,
        init_cfg: dict | None = None,
        **parts: Any,
    ) -> None:
        if preset not in _PRESETS:
            raise ValueError(f"`preset` must be 'release', 'paper' or 'vgg', but got {preset!r}.")
        depth = _PRESETS[preset] if depth is None else depth
        if depth not in ((16,) if preset == 'vgg' else _DEPTHS):
            raise ValueError(
                f"`depth={depth!r}` does not go with `preset='{preset}'`; 'vgg' has 16 layers, the others "
                f'{", ".join(map(str, _DEPTHS[:-1]))} or {_DEPTHS[-1]}.'
            )
        if fc6_dilation is None:
            fc6_dilation = 1 if preset == 'release' else 3
        elif depth != 16:
            raise ValueError(
                f'`fc6_dilation` belongs to VGG, but `depth={depth}` is a ResNet; leave it out (None), or take '
                '`depth=16`.'
            )
        backbone, channels = _backbone(depth, width, fc6_dilation)
        channels += [scaled_channels(c, width) for c in (512, 256)]
        extra = dict(
            type='llv.FaceExtraNeck',
            in_channels=channels[3],
            # 1×1 convolutions narrow to 256 and 128 behind VGG, to 512 and 128 behind a ResNet
            mid_channels=[scaled_channels(c, width) for c in (256 if depth == 16 else 512, 128)],
            out_channels=channels[4:],
            batch_norm=depth != 16,
        )
        norm = {}
        if depth == 16:
            norm = dict(
                norm=dict(type='llv.L2NormNeck', in_channels=channels[:3], scales=(10, 8, 5))
            )
        if preset == 'release':
            enhanced = scaled_channels(512, width)
            neck = dict(
                type='llv.NeckChain',
                extra=extra,
                fpn=dict(type='llv.ProductFPN', in_channels=channels, top_level=3),
                **norm,
                fem=dict(
                    type='llv.FEMNeck',
                    in_channels=channels,
                    form='release',
                    out_channels=enhanced,
                ),
            )
            head = dict(
                type='llv.FaceHead',
                in_channels=[enhanced] * 6,
                max_out='dsfd',
                groups=DSFD_GROUPS,
                head='deep',
                feat_channels=scaled_channels(256, width),
                anchor_ratio=1.5,
                clamp_anchors=True,
            )
        else:
            if preset == 'paper':
                fpn = dict(type='llv.NeighbourProduct', in_channels=channels)
                fem = dict(type='llv.FEMNeck', in_channels=channels, form='paper')
            else:
                fpn = dict(
                    type='llv.ProductFPN',
                    in_channels=channels,
                    top_level=5,
                    relu=True,
                    top_conv=True,
                )
                fem = dict(type='llv.FEMNeck', in_channels=channels, form='community')
            neck = dict(
                type='llv.DualShotNeck',
                extra=extra,
                **norm,
                enhanced=dict(type='llv.NeckChain', fpn=fpn, fem=fem, **norm),
            )
            head = dict(
                type='llv.DualShotHead',
                in_channels=channels,
                anchor_ratio=1.5 if preset == 'paper' else 1.0,
            )
        defaults = dict(
            backbone=backbone,
            neck=neck,
            bbox_head=head,
            train_cfg=dict(
                assigner=dict(
                    type='llv.ScaleCompensationAssigner',
                    pos_iou_thr=0.35 if preset == 'vgg' else 0.4,
                    compensate=None,
                )
            ),
            test_cfg=dict(
                nms_pre=5000,
                score_thr=0.01,
                nms=dict(type='nms', iou_threshold=0.3),
                max_per_img=750,
            ),
        )
        super().__init__(defaults, init_cfg, **parts)


def _backbone(depth: int, width: float, fc6_dilation: int) -> tuple[dict[str, Any], list[int]]:
    """Config of the backbone, and the channels of its four maps."""
    if depth == 16:
        config = dict(type='llv.FaceVGG', fc6_dilation=fc6_dilation, width=width)
        return config, [scaled_channels(c, width) for c in (256, 512, 512, 1024)]
    base = scaled_channels(64, width)
    config = dict(
        type='mmdet.ResNet',
        depth=depth,
        base_channels=base,
        out_indices=(0, 1, 2, 3),
        style='pytorch',
        # mmdet's default keeps ImageNet's statistics, which do not belong to pictures in 0..255
        norm_eval=False,
    )
    return config, [base * 4 * 2**stage for stage in range(4)]
