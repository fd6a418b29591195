"""The enhancer that changes nothing."""

from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement


@MODELS.register_module()
class Identity(BaseEnhancer):
    """Return the very tensor that was given.

    Behind it a detector or segmentor is bit-equal to itself without an enhancer, which makes it the control for the
    plumbing. It has no parameters.
    """

    receptive_field = 1

    def __init__(self) -> None:
        super().__init__()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in, the same tensor out."""
        return Enhancement(images)
