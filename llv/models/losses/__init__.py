"""Losses, usable without any enhancer."""

from .denoise import DenoiseLoss, SupervisedDenoiseLoss, squared_total_variation
from .enc_feature import ENCFeatureLoss
from .exposure_consistency import ECLNetLoss
from .exposure_quality import ExposureQuality
from .frequency import FECNetLoss, amplitude_distance, phase_distance
from .perceptual import VGG19PerceptualLoss
from .pseudo_target import PseudoTarget, PseudoTargets, exposure_gammas
from .pseudo_target_loss import PseudoTargetLoss, log_gamma_variation
from .relative_total_variation import RelativeTotalVariationLoss, relative_total_variation
from .ruas_scene import RUASSceneLoss, neighbour_smoothness, scrambled_ycbcr
from .scale_consistency import ScaleConsistencyLoss
from .sci import SCISceneLoss
from .self_regularized_luminance import (
    SelfRegularizedLuminanceLoss,
    self_regularized_luminance,
)
from .ssim import SSIMLoss, ssim
from .strided_ssim import StridedSSIMLoss
from .total_variation import TotalVariationLoss, total_variation
from .trico import TriCoLoss
from .zero_dce import (
    ColorConstancyLoss,
    ExposureControlLoss,
    IlluminationSmoothnessLoss,
    SpatialConsistencyLoss,
    ZeroDCELoss,
)

__all__ = [
    'ColorConstancyLoss',
    'DenoiseLoss',
    'ECLNetLoss',
    'ENCFeatureLoss',
    'ExposureControlLoss',
    'ExposureQuality',
    'FECNetLoss',
    'IlluminationSmoothnessLoss',
    'PseudoTarget',
    'PseudoTargetLoss',
    'PseudoTargets',
    'RUASSceneLoss',
    'RelativeTotalVariationLoss',
    'SCISceneLoss',
    'SSIMLoss',
    'ScaleConsistencyLoss',
    'SelfRegularizedLuminanceLoss',
    'SpatialConsistencyLoss',
    'StridedSSIMLoss',
    'SupervisedDenoiseLoss',
    'TotalVariationLoss',
    'TriCoLoss',
    'VGG19PerceptualLoss',
    'ZeroDCELoss',
    'amplitude_distance',
    'exposure_gammas',
    'log_gamma_variation',
    'neighbour_smoothness',
    'phase_distance',
    'relative_total_variation',
    'scrambled_ycbcr',
    'self_regularized_luminance',
    'squared_total_variation',
    'ssim',
    'total_variation',
]
