"""Measuring results: the quality of lit pictures under explicit protocols."""

from .functional import psnr, rmse, ssim
from .image_quality import ImageQuality
from .measure import QUALITY_METRICS, average, by_group, check_metrics, measure
from .perceptual import brisque, fsim, fsim_ism, lpips, niqe
from .protocols import PROTOCOLS, Protocol, get_protocol
from .scorers import load_scorers

__all__ = [
    'PROTOCOLS',
    'QUALITY_METRICS',
    'ImageQuality',
    'Protocol',
    'average',
    'brisque',
    'by_group',
    'check_metrics',
    'fsim',
    'fsim_ism',
    'get_protocol',
    'load_scorers',
    'lpips',
    'measure',
    'niqe',
    'psnr',
    'rmse',
    'ssim',
]
