"""Data sets for training enhancers."""

from .picture_folder import PictureFolder

__all__ = ['PictureFolder']
