"""Two face heads, one on original and one on enhanced maps (progressive anchor loss of DSFD)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from llv.registry import MODELS

from .face_head import FaceHead


@MODELS.register_module()
class DualShotHead(BaseDenseHead):
    """The second shot, on enhanced maps, predicts; the first, on the original maps with smaller anchors, only teaches.

    Source: DSFD (CVPR 2019) 3.3. Parameters are those of two :class:`FaceHead`: ``second.reg_convs.<l>``,
    ``second.cls_convs.<l>`` (``loc_pal2``, ``conf_pal2`` of the community files) and ``first.…`` (``loc_pal1``,
    ``conf_pal1``).

    Args:
        in_channels: Channels of each level's map, finest first; the same for enhanced and original maps.
        first_scale: Size of the first shot's anchors relative to the second's.
        first_weight: Weight of the first shot's losses.
        second_weight: Weight of the second shot's losses (λ).
        train_cfg: As in :class:`FaceHead`, for both.
        test_cfg: As in :class:`FaceHead`.
        shot: Further arguments of :class:`FaceHead` for both shots, such as ``anchor_ratio``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        first_scale: float = 0.5,
        first_weight: float = 1.0,
        second_weight: float = 1.0,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        **shot: Any,
    ) -> None:
        super().__init__()
        self.num_levels = len(in_channels)
        shot |= dict(train_cfg=train_cfg, test_cfg=test_cfg)
        second = dict(name='face', loss_weight=second_weight)
        first = dict(name='face', loss_weight=first_weight, anchor_scale=first_scale)
        self.second = FaceHead(in_channels, groups=[second], **shot)
        self.first = FaceHead(in_channels, groups=[first], **shot)

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Scores and boxes of both shots.

        Args:
            feats: The enhanced maps, finest first, then the original ones, each (N, C_l, H_l, W_l).

        Returns:
            Class scores (N, 2, H_l, W_l): face, background, and box deltas (N, 4, H_l, W_l), in the order of the maps.

        Raises:
            ValueError: There are not two maps a level.
        """
        enhanced, original = self._shots(feats)
        scores, boxes = self.second(enhanced)
        first_scores, first_boxes = self.first(original)
        return scores + first_scores, boxes + first_boxes

    def _shots(self, feats: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """The enhanced maps and the original ones."""
        n = self.num_levels
        if len(feats) != 2 * n:
            raise ValueError(
                f'`DualShotHead` takes {n} enhanced and {n} original maps, but got {len(feats)} in all; let a '
                '`llv.DualShotNeck` give them.'
            )
        return feats[:n], feats[n:]

    def loss_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list[InstanceData] | None = None,
    ) -> dict[str, list[Tensor]]:
        """``loss_cls``, ``loss_bbox`` of the second shot, ``loss_cls_first``, ``loss_bbox_first`` of the first."""
        n = self.num_levels
        truth = (batch_gt_instances, batch_img_metas, batch_gt_instances_ignore)
        losses = self.second.loss_by_feat(cls_scores[:n], bbox_preds[:n], *truth)
        first = self.first.loss_by_feat(cls_scores[n:], bbox_preds[n:], *truth)
        return losses | {f'{name}_first': value for name, value in first.items()}

    def predict(
        self, x: Sequence[Tensor], batch_data_samples: list, rescale: bool = False
    ) -> list[InstanceData]:
        """Faces of every picture, from the enhanced maps only; as in :meth:`FaceHead.predict_by_feat`."""
        return self.second.predict(self._shots(x)[0], batch_data_samples, rescale)

    def predict_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        batch_img_metas: list[dict] | None = None,
        cfg: ConfigDict | None = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Faces of every picture from what :meth:`forward` returns, of which the first shot's half is not read."""
        return self.second.predict_by_feat(
            cls_scores[: self.num_levels],
            bbox_preds[: self.num_levels],
            batch_img_metas=batch_img_metas,
            cfg=cfg,
            rescale=rescale,
            with_nms=with_nms,
        )
