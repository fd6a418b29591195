"""The head of the anchor-based face detectors: S3FD, PyramidBox and DSFD.

Parameters, for a level l counted from the finest map:

* ``reg_convs.<l>``: box deltas, 4 channels a group, groups in their order (face first).
* ``cls_convs.<l>``: class scores before max-out, in the official channel order (see
  :func:`~llv.models.dense_heads.face_groups.class_channels`); groups in their order.
* with ``head='conv'`` each is one 3×3 convolution: ``reg_convs.<l>.weight``, ``reg_convs.<l>.bias``;
* with ``head='deep'`` four convolutions: ``reg_convs.<l>.conv1.weight`` … ``reg_convs.<l>.conv4.bias``.

So a converter renames ``loc.<l>``, ``loc_layers.<l>``, ``loc_pal2.<l>`` to ``reg_convs.<l>`` and ``conf.<l>``,
``conf_layers.<l>``, ``conf_pal2.<l>`` to ``cls_convs.<l>``, and keeps the tensors.

The channels after max-out are those of mmdet: face first, background last. The published detectors are::

    S3FD         max_out='s3fd'
    PyramidBox   max_out='pyramidbox', groups=PYRAMIDBOX_GROUPS
    DSFD release max_out='dsfd', groups=DSFD_GROUPS, head='deep', anchor_ratio=1.5, clamp_anchors=True
    DSFD paper   DualShotHead(anchor_ratio=1.5)
    DSFD VGG     DualShotHead()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.models.utils import filter_scores_and_topk
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from llv.registry import MODELS, TASK_UTILS

from .face_groups import MAX_OUT, class_channels, count_channels, grow_boxes, read_groups
from .ssd_head import SSDHead

FACE_GROUPS = (dict(name='face'),)
# community PyramidBox: the same anchors once more, for the face's surroundings of twice its size
PYRAMIDBOX_GROUPS = (dict(name='face'), dict(name='head', target_scale=2.0))
# DSFD release: smaller anchors on coarser maps, all for the same faces; "head" and "body" are only names
DSFD_GROUPS = (
    dict(name='face'),
    dict(name='head', first_level=1, anchor_scale=0.5),
    dict(name='body', first_level=2, anchor_scale=0.25),
)

TRAIN_CFG = dict(
    assigner=dict(type='llv.ScaleCompensationAssigner'),
    allowed_border=-1,
    pos_weight=-1,
    neg_pos_ratio=3,
    smoothl1_beta=1.0,
)
TEST_CFG = dict(
    nms_pre=5000, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.3), max_per_img=750
)


class DeepConv(nn.Module):
    """Three 3×3 convolutions, each with ReLU, and a 1×1 convolution: the head of the DSFD release.

    Args:
        in_channels: Channels in.
        channels: Channels between.
        out_channels: Channels out.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv4 = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        for conv in (self.conv1, self.conv2, self.conv3):
            x = conv(x).relu()
        return self.conv4(x)


@MODELS.register_module()
class FaceHead(SSDHead):
    """One anchor a cell, softmax over face and background, hard negative mining, optionally several groups and max-out.

    The loss of a group is cross-entropy over positives and, picture by picture, the three hardest negatives a positive,
    plus smooth L1 over positives, both divided by the positives of the batch (at least 1). Boxes without area are left
    out; a batch without faces has a loss of zero with a graph. Cells that lie in the padding take no part, neither here
    nor in prediction. Only the first group predicts. The ``nms_pre`` best of all levels together enter NMS, as in the
    published test scripts (mmdet: of each level).

    Sources: S3FD (ICCV 2017) 3.2–3.3, PyramidBox (ECCV 2018) 3.2–3.3, DSFD (CVPR 2019) 3.3 and its release.

    Args:
        in_channels: Channels of each level's map, finest first.
        groups: Configs of :class:`~llv.models.dense_heads.face_groups.AnchorGroup`, the face first.
        max_out: Which class channels are maxima: None, ``s3fd``, ``pyramidbox`` or ``dsfd``.
        head: ``conv`` (one convolution an output) or ``deep`` (four).
        feat_channels: Channels within ``deep``.
        strides: Stride of each level in pixels.
        anchor_sizes: Anchor side of each level in pixels, before a group's factor.
        anchor_ratio: Height / width of all anchors.
        clamp_anchors: See :class:`~llv.models.task_modules.face_anchor_generator.FaceAnchorGenerator`.
        bbox_coder: Config of the box coder; the variances are 0.1 and 0.2.
        train_cfg: Replaces entries of ``TRAIN_CFG``.
        test_cfg: Replaces entries of ``TEST_CFG``.
        init_cfg: How the convolutions start.
        num_classes: 1, since max-out and the groups are made for faces; written into a config it tells tools that read
            it from any head. Several classes, as in ExDark, are a matter of ``llv.SSDHead``.

    Raises:
        ValueError: A name is unknown, the lists do not agree in length, or there are to be several classes.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        groups: Sequence[Mapping[str, Any]] = FACE_GROUPS,
        max_out: str | None = None,
        head: str = 'conv',
        feat_channels: int = 256,
        strides: Sequence[int] = (4, 8, 16, 32, 64, 128),
        anchor_sizes: Sequence[float] = (16, 32, 64, 128, 256, 512),
        anchor_ratio: float = 1.0,
        clamp_anchors: bool = False,
        bbox_coder: Mapping[str, Any] = dict(  # noqa: B006
            type='mmdet.DeltaXYWHBBoxCoder', target_stds=(0.1, 0.1, 0.2, 0.2)
        ),
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = dict(  # noqa: B006
            type='Xavier', layer='Conv2d', distribution='uniform', bias=0
        ),
        num_classes: int = 1,
    ) -> None:
        if num_classes != 1:
            raise ValueError(
                f'`num_classes` must be 1, the face, but got {num_classes!r}; for several classes, as in ExDark, take '
                '`llv.SSDHead` (`configs/ssd`).'
            )
        if max_out not in MAX_OUT:
            raise ValueError(
                f'`max_out` must be one of {", ".join(map(str, MAX_OUT))}, but got {max_out!r}.'
            )
        if head not in ('conv', 'deep'):
            raise ValueError(f'`head` must be one of conv, deep, but got {head!r}.')
        if not len(in_channels) == len(strides) == len(anchor_sizes):
            raise ValueError(
                '`in_channels`, `strides` and `anchor_sizes` must name the same levels, but got '
                f'{len(in_channels)}, {len(strides)} and {len(anchor_sizes)}.'
            )
        # plain attributes, there before the parent's constructor builds the layers
        self.groups = read_groups(groups, len(in_channels))
        self.max_out = max_out
        self.head = head
        generators = [
            dict(
                type='llv.FaceAnchorGenerator',
                strides=strides[group.first_level :],
                sizes=[size * group.anchor_scale for size in anchor_sizes[group.first_level :]],
                ratio=anchor_ratio,
                clamp=clamp_anchors,
            )
            for group in self.groups
        ]
        super().__init__(
            num_classes=num_classes,
            in_channels=in_channels,
            feat_channels=feat_channels,
            anchor_generator=generators[0],
            bbox_coder=bbox_coder,
            train_cfg=ConfigDict({**TRAIN_CFG, **(train_cfg or {})}),
            test_cfg=ConfigDict({**TEST_CFG, **(test_cfg or {})}),
            init_cfg=init_cfg,
        )
        self.generators = [self.prior_generator, *map(TASK_UTILS.build, generators[1:])]

    def groups_of(self, level: int) -> list[int]:
        """Indices of the groups that a level has."""
        return [i for i, group in enumerate(self.groups) if group.first_level <= level]

    def _init_layers(self) -> None:
        self.reg_convs, self.cls_convs = nn.ModuleList(), nn.ModuleList()
        for level, channels in enumerate(self.in_channels):
            groups = self.groups_of(level)
            classes = sum(count_channels(class_channels(self.max_out, level, g)) for g in groups)
            self.reg_convs.append(self.build_conv(level, channels, 4 * len(groups), 'loc'))
            self.cls_convs.append(self.build_conv(level, channels, classes, 'conf'))

    def build_conv(self, level: int, in_channels: int, out_channels: int, kind: str) -> nn.Module:
        """The layer from a level's map to its boxes (``kind='loc'``) or classes (``kind='conf'``).

        It keeps height and width. Called by the constructor, level by level, ``loc`` before ``conf``. A subclass that
        needs attributes of its own here sets plain ones before it calls the constructor.
        """
        if self.head == 'deep':
            return DeepConv(in_channels, self.feat_channels, out_channels)
        return nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Scores and boxes of every level and group.

        Args:
            feats: One map a level, (N, in_channels[l], H_l, W_l), finest first.

        Returns:
            Class scores (N, 2 · G_l, H_l, W_l): face, background for each of the G_l groups of level l, after max-out,
            before softmax. Box deltas (N, 4 · G_l, H_l, W_l).

        Raises:
            ValueError: There is not one map a level.
        """
        if len(feats) != len(self.reg_convs):
            raise ValueError(
                f'This head takes {len(self.reg_convs)} maps, but got {len(feats)}; let the neck give as many.'
            )
        scores = [
            self._max_out(conv(feat), level)
            for level, (conv, feat) in enumerate(zip(self.cls_convs, feats, strict=True))
        ]
        boxes = [conv(feat) for conv, feat in zip(self.reg_convs, feats, strict=True)]
        return scores, boxes

    def _max_out(self, scores: Tensor, level: int) -> Tensor:
        """From the official channels of a level to face, background for each group."""
        pairs, start = [], 0
        for group in self.groups_of(level):
            background, face = class_channels(self.max_out, level, group)
            stop = start + count_channels((background, face))
            own = scores[:, start:stop]
            # max, not amax: where two are equal the gradient goes to one of them, as in the published code
            pairs += [own[:, part].max(dim=1, keepdim=True).values for part in (face, background)]
            start = stop
        return torch.cat(pairs, dim=1)

    def _part(self, maps: Sequence[Tensor], group: int, channels: int) -> list[Tensor]:
        """A group's channels of all levels that have it."""
        part = []
        for level in range(self.groups[group].first_level, len(maps)):
            start = channels * self.groups_of(level).index(group)
            part.append(maps[level][:, start : start + channels])
        return part

    # ------------------------------------------------------------------ loss

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list[InstanceData] | None = None,
    ) -> dict[str, list[Tensor]]:
        """Losses of every group: lists with one entry a picture, to be summed.

        Args:
            cls_scores, bbox_preds: What :meth:`forward` returns.
            batch_gt_instances: ``bboxes`` (n, 4) ``x1, y1, x2, y2`` in pixels and ``labels`` (n,), all 0.
            batch_img_metas: With ``img_shape``.
            batch_gt_instances_ignore: Boxes that count neither as faces nor as background.

        Returns:
            ``loss_cls`` and ``loss_bbox``, and ``loss_cls_<name>`` and ``loss_bbox_<name>`` for further groups.
        """
        ignored = batch_gt_instances_ignore or [None] * len(batch_img_metas)
        losses = {}
        for index, group in enumerate(self.groups):
            scores = self._part(cls_scores, index, 2)
            sizes = [score.shape[-2:] for score in scores]
            targets = [
                self._get_targets_single(
                    *self._anchors(index, sizes, meta, scores[0]),
                    _targets(truth, group.target_scale),
                    meta,
                    _ignored(ignore, group.target_scale),
                )[:4]
                for truth, ignore, meta in zip(
                    batch_gt_instances, ignored, batch_img_metas, strict=True
                )
            ]
            # the background is class 1
            positives = sum((labels == 0).sum() for labels, *_ in targets).clamp_min(1)
            loss_cls, loss_bbox = [], []
            for score, box, (labels, label_weights, deltas, weights) in zip(
                _flat(scores, 2),
                _flat(self._part(bbox_preds, index, 4), 4),
                targets,
                strict=True,
            ):
                cls, bbox = self.loss_by_feat_single(
                    # the sums run over thousands of anchors, too many for half precision
                    score.float(),
                    box.float(),
                    None,
                    labels,
                    label_weights,
                    deltas,
                    weights,
                    positives,
                )
                loss_cls.append(cls * group.loss_weight)
                loss_bbox.append(bbox * group.loss_weight)
            suffix = f'_{group.name}' if index else ''
            losses[f'loss_cls{suffix}'] = loss_cls
            losses[f'loss_bbox{suffix}'] = loss_bbox
        return losses

    def _anchors(
        self, group: int, sizes: Sequence[Sequence[int]], meta: Mapping[str, Any], like: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A group's anchors on one picture (n, 4), and which belong to cells of the picture (n,)."""
        generator = self.generators[group]
        anchors = torch.cat(generator.grid_priors(sizes, device=like.device))
        inside = torch.cat(generator.valid_flags(sizes, meta['img_shape'], device=like.device))
        return generator.fit(anchors, meta['img_shape']), inside

    # ------------------------------------------------------------ prediction

    def predict_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        score_factors: None = None,
        batch_img_metas: list[dict] | None = None,
        cfg: ConfigDict | None = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Faces of every picture, best first: ``bboxes`` (n, 4) in pixels, ``scores`` (n,), ``labels`` (n,), all 0.

        Args:
            cls_scores, bbox_preds: What :meth:`forward` returns; only the first group's channels are read.
            score_factors: Not used; mmdet's signature.
            batch_img_metas: With ``img_shape``, and ``scale_factor`` for ``rescale``.
            cfg: In the place of ``test_cfg``.
            rescale: Whether boxes are in pixels of the original picture or of the network's input.
            with_nms: Whether to apply NMS and the cap.
        """
        return super().predict_by_feat(
            self._part(cls_scores, 0, 2),
            self._part(bbox_preds, 0, 4),
            batch_img_metas=batch_img_metas,
            cfg=cfg,
            rescale=rescale,
            with_nms=with_nms,
        )

    def _predict_by_feat_single(
        self,
        cls_score_list: list[Tensor],
        bbox_pred_list: list[Tensor],
        score_factor_list: list[None],
        mlvl_priors: list[Tensor],
        img_meta: dict,
        cfg: ConfigDict | None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> InstanceData:
        cfg = self.test_cfg if cfg is None else cfg
        sizes = [score.shape[-2:] for score in cls_score_list]
        anchors, inside = self._anchors(0, sizes, img_meta, cls_score_list[0])
        scores = _flat([score[None] for score in cls_score_list], 2)[0].float().softmax(-1)
        boxes = _flat([box[None] for box in bbox_pred_list], 4)[0].float()
        scores, labels, _, kept = filter_scores_and_topk(
            scores[inside, :1],
            cfg.score_thr,
            cfg.nms_pre,
            dict(boxes=boxes[inside], anchors=anchors[inside]),
        )
        results = InstanceData()
        results.bboxes = self.bbox_coder.decode(
            kept['anchors'], kept['boxes'], max_shape=img_meta['img_shape']
        )
        results.scores = scores
        results.labels = labels
        return self._bbox_post_process(results, cfg, rescale, with_nms, img_meta)


def _flat(maps: Sequence[Tensor], channels: int) -> Tensor:
    """Maps (N, channels, H_l, W_l) as rows of all levels, (N, Σ H_l · W_l, channels)."""
    return torch.cat([m.permute(0, 2, 3, 1).reshape(len(m), -1, channels) for m in maps], dim=1)


def _targets(instances: InstanceData, scale: float) -> InstanceData:
    """The faces whose boxes have an area, grown about their centres.

    A box without area overlaps no anchor; an assigner that gives every box its best anchor would hand it the first.

    Raises:
        ValueError: There is another class than 0.
    """
    labels = instances.labels
    if labels.any():
        raise ValueError(
            f'A face head knows the label 0 only, but the ground truth has {labels.max().item()}; use a dataset of '
            'one class, or a detector with `llv.SSDHead` for several.'
        )
    boxes = get_box_tensor(instances.bboxes)
    kept = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    # a new object: setting the boxes of `instances` would change the caller's
    return InstanceData(bboxes=grow_boxes(boxes[kept], scale), labels=labels[kept])


def _ignored(instances: InstanceData | None, scale: float) -> InstanceData | None:
    """The boxes to ignore, grown about their centres."""
    if instances is None:
        return None
    return InstanceData(bboxes=grow_boxes(get_box_tensor(instances.bboxes), scale))
