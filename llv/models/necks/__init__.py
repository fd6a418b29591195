"""Necks that mmdet and mmseg lack; two of them build on mmdet's own and are left out without it."""

from llv.utils.environment import has_mmdet

from .context_neck import ContextNeck, ContextPredictModule
from .face_extra_neck import FaceExtraNeck
from .feature_enhancement import FEMNeck, ReleaseFEM, ThreeBranchFEM
from .neck_chain import DualShotNeck, NeckChain
from .product_fpn import NeighbourProduct, ProductFPN
from .scene_neck import SceneNeck
from .searchable_neck import SearchableNeck

__all__ = [
    'ContextNeck',
    'ContextPredictModule',
    'DualShotNeck',
    'FEMNeck',
    'FaceExtraNeck',
    'NeckChain',
    'NeighbourProduct',
    'ProductFPN',
    'ReleaseFEM',
    'SceneNeck',
    'SearchableNeck',
    'ThreeBranchFEM',
]

if has_mmdet():
    from .l2_norm_neck import L2NormNeck
    from .searchable_ssd_neck import SearchableSSDNeck

    __all__ += ['L2NormNeck', 'SearchableSSDNeck']
