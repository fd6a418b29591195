"""Dense heads that mmdet lacks or that need repair; needs mmdet."""

from .ssd_head import SSDHead

__all__ = ['SSDHead']
