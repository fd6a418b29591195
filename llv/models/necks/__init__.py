"""Necks that mmdet lacks; they need mmdet and mmcv's compiled operators."""

from .context_neck import ContextNeck, ContextPredictModule
from .face_extra_neck import FaceExtraNeck
from .feature_enhancement import FEMNeck, ReleaseFEM, ThreeBranchFEM
from .l2_norm_neck import L2NormNeck
from .neck_chain import DualShotNeck, NeckChain
from .product_fpn import NeighbourProduct, ProductFPN

__all__ = [
    'ContextNeck',
    'ContextPredictModule',
    'DualShotNeck',
    'FEMNeck',
    'FaceExtraNeck',
    'L2NormNeck',
    'NeckChain',
    'NeighbourProduct',
    'ProductFPN',
    'ReleaseFEM',
    'ThreeBranchFEM',
]
