"""Matching of anchors to faces with scale compensation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmdet.models.task_modules import AssignResult, BaseAssigner
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from llv.registry import TASK_UTILS

# boxes compared with all anchors at a time: bounds the memory on pictures with thousands of faces
_CHUNK = 64


@TASK_UTILS.register_module()
class ScaleCompensationAssigner(BaseAssigner):
    """Give anchors to faces by IoU, then more of them to faces that got few (S3FD, ICCV 2017, 3.2).

    1. Every anchor goes to the face it overlaps most (the first of equals) if their IoU is at least ``pos_iou_thr``.
    2. Every face gets its best anchor, also from another face; of several faces with the same best anchor the last one
       gets it. A face that overlaps no anchor gets none.
    3. With ``compensate``, faces with fewer than N anchors, in their order, get the free anchors of the highest IoU
       above ``candidate_iou_thr`` until they have N. Nothing is taken from another face.

    What is left is background, or ignored: with an IoU from ``neg_iou_thr`` on, or lying with more than
    ``ignore_iof_thr`` of its area in a box that is to be ignored.

    Args:
        pos_iou_thr: 0.35 for S3FD, PyramidBox and the VGG DSFD, 0.4 for the DSFD release, 0.3 for RUAS.
        neg_iou_thr: IoU below which an anchor is background; None for ``pos_iou_thr``.
        compensate: N. ``mean``: mean number of anchors a face after step 2, rounded down (S3FD). A number: that many
            (6 in the DSFD release, off there by default). None: no step 3.
        candidate_iou_thr: IoU that an anchor must exceed in step 3.
        ignore_iof_thr: Part of an anchor's area.

    Raises:
        ValueError: The thresholds or ``compensate`` make no sense.
    """

    def __init__(
        self,
        pos_iou_thr: float = 0.35,
        neg_iou_thr: float | None = None,
        compensate: str | int | None = 'mean',
        candidate_iou_thr: float = 0.1,
        ignore_iof_thr: float = 0.5,
    ) -> None:
        neg_iou_thr = pos_iou_thr if neg_iou_thr is None else neg_iou_thr
        if not 0 < neg_iou_thr <= pos_iou_thr <= 1:
            raise ValueError(
                f'`neg_iou_thr` and `pos_iou_thr` must satisfy 0 < neg ≤ pos ≤ 1, but got {neg_iou_thr} and '
                f'{pos_iou_thr}.'
            )
        counted = isinstance(compensate, int) and not isinstance(compensate, bool)
        if compensate not in ('mean', None) and not (counted and compensate > 0):
            raise ValueError(
                f"`compensate` must be 'mean', a positive number or None, but got {compensate!r}."
            )
        self.pos_iou_thr = pos_iou_thr
        self.neg_iou_thr = neg_iou_thr
        self.compensate = compensate
        self.candidate_iou_thr = candidate_iou_thr
        self.ignore_iof_thr = ignore_iof_thr

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs: Any,
    ) -> AssignResult:
        """Match the anchors of one picture.

        Args:
            pred_instances: ``priors`` (n, 4) ``x1, y1, x2, y2``.
            gt_instances: ``bboxes`` (k, 4) and ``labels`` (k,).
            gt_instances_ignore: ``bboxes`` (m, 4) that are neither face nor background.

        Returns:
            ``gt_inds`` (n,): 1 + index of the face, 0 for background, −1 for ignored; ``max_overlaps`` (n,): IoU with
            the face overlapped most; ``labels`` (n,): label of the face, −1 without.
        """
        anchors = get_box_tensor(pred_instances.priors)
        faces = get_box_tensor(gt_instances.bboxes)
        inds, overlaps, candidates = self._match(anchors, faces)
        if self.compensate is not None and len(faces):
            inds = self._compensate(inds, candidates, len(faces))
        inds[(inds == 0) & (overlaps >= self.neg_iou_thr)] = -1
        if gt_instances_ignore is not None and len(gt_instances_ignore):
            covers = get_box_tensor(gt_instances_ignore.bboxes)
            for part in covers.split(_CHUNK):
                covered = bbox_overlaps(anchors, part, mode='iof').amax(dim=1)
                inds[(inds == 0) & (covered > self.ignore_iof_thr)] = -1

        labels = torch.full_like(inds, -1)
        positive = inds > 0
        labels[positive] = gt_instances.labels[inds[positive] - 1].long()
        return AssignResult(len(faces), inds, overlaps, labels)

    def _match(self, anchors: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Steps 1 and 2.

        Returns:
            1 + index of each anchor's face, or 0 (n,); IoU with the face it overlaps most (n,); the pairs of step 3,
            one tensor (3, p) a chunk of faces: face, anchor, IoU.
        """
        overlaps = anchors.new_zeros(len(anchors))
        owner = torch.zeros(len(anchors), dtype=torch.long, device=anchors.device)
        favourite = torch.zeros_like(owner)
        candidates = []
        for start in range(0, len(faces), _CHUNK):
            iou = bbox_overlaps(faces[start : start + _CHUNK], anchors)
            highest, face = iou.max(dim=0)
            owner = torch.where(highest > overlaps, face + start + 1, owner)
            overlaps = torch.maximum(overlaps, highest)
            highest, anchor = iou.max(dim=1)
            (face,) = (highest > 0).nonzero(as_tuple=True)
            # of several faces that like an anchor best the largest index, so the last one, stays
            favourite.scatter_reduce_(0, anchor[face], face + start + 1, 'amax')
            if self.compensate is not None:
                face, anchor = (iou > self.candidate_iou_thr).nonzero(as_tuple=True)
                # in double precision indices are exact
                candidates.append(torch.stack([face + start, anchor, iou[face, anchor].double()]))
        inds = torch.where(overlaps >= self.pos_iou_thr, owner, 0)
        return torch.where(favourite > 0, favourite, inds), overlaps, candidates

    def _compensate(self, inds: Tensor, candidates: list[Tensor], num_faces: int) -> Tensor:
        """Step 3; on the CPU, because what a face gets depends on the faces before it."""
        owner = inds.cpu().numpy()
        counts = np.bincount(owner[owner > 0] - 1, minlength=num_faces)
        wanted = counts.sum() // num_faces if self.compensate == 'mean' else self.compensate
        face, anchor, iou = torch.cat(candidates, dim=1).cpu().numpy()
        order = np.lexsort((anchor, -iou, face))
        face, anchor = face[order], anchor[order].astype(np.int64)
        bounds = np.searchsorted(face, np.arange(num_faces + 1))
        for index in np.flatnonzero(counts < wanted):
            liked = anchor[bounds[index] : bounds[index + 1]]
            free = liked[owner[liked] == 0][: wanted - counts[index]]
            owner[free] = index + 1
        return torch.from_numpy(owner).to(inds.device)
