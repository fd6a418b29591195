"""Measuring results: the quality of lit pictures under explicit protocols."""

from .functional import psnr, rmse, ssim
from .image_quality import ImageQuality
from .measure import QUALITY_METRICS, average, check_metrics, measure
from .perceptual import brisque, fsim, lpips, niqe
from .protocols import PROTOCOLS, Protocol, get_protocol

__all__ = [
    'PROTOCOLS',
    'QUALITY_METRICS',
    'ImageQuality',
    'Protocol',
    'average',
    'brisque',
    'check_metrics',
    'fsim',
    'get_protocol',
    'lpips',
    'measure',
    'niqe',
    'psnr',
    'rmse',
    'ssim',
]
