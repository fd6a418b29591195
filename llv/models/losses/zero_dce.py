"""The four zero-reference losses of Zero-DCE.

Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020, section 3.3. Where paper
and released code differ, the defaults follow the code, as its authors advise.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from .denoise import squared_total_variation

FORMS = ('code', 'paper')


def tile_means(images: Tensor, size: int) -> Tensor:
    """Grey means of the tiles of a picture.

    Args:
        images: (N, 3, H, W).
        size: Edge of a tile in pixels. Rows and columns that fill no tile are left out; a side shorter than a tile is
            one tile.

    Returns:
        (N, 1, H // size, W // size).
    """
    grey = images.mean(dim=1, keepdim=True)
    height, width = images.shape[-2:]
    return F.avg_pool2d(grey, (min(size, height), min(size, width)))


@MODELS.register_module()
class SpatialConsistencyLoss(nn.Module):
    """Neighbouring regions keep their difference in brightness.

    With e the tile means of the lit picture minus those of the picture and 0 beyond the border, the mean over tiles and
    pictures of the sum of (e - e of the neighbour)² over the left, right, upper and lower neighbour. The paper compares
    absolute differences; this is the released code.

    Args:
        tile_size: Edge of a region in pixels.
    """

    def __init__(self, tile_size: int = 4) -> None:
        super().__init__()
        self.tile_size = tile_size

    def forward(self, enhanced: Tensor, images: Tensor) -> Tensor:
        """A scalar; both are (N, 3, H, W) RGB in [0, 1]."""
        change = F.pad(tile_means(enhanced - images, self.tile_size), (1, 1, 1, 1))
        rows = change[..., 1:-1].diff(dim=-2).square()
        columns = change[..., 1:-1, :].diff(dim=-1).square()
        # each difference belongs to the tiles on its both sides
        return (rows[..., 1:, :] + rows[..., :-1, :] + columns[..., 1:] + columns[..., :-1]).mean()


@MODELS.register_module()
class ExposureControlLoss(nn.Module):
    """Tiles have a middle brightness: the mean over tiles and pictures of (tile mean - level)².

    Args:
        tile_size: Edge of a tile in pixels.
        level: Brightness to reach, in [0, 1].
        form: ``paper`` has the absolute difference instead of its square.

    Raises:
        ValueError: `form` is unknown.
    """

    def __init__(self, tile_size: int = 16, level: float = 0.6, form: str = 'code') -> None:
        super().__init__()
        self.tile_size = tile_size
        self.level = level
        self.form = _check_form(form)

    def forward(self, enhanced: Tensor) -> Tensor:
        """A scalar for (N, 3, H, W) RGB in [0, 1]."""
        difference = tile_means(enhanced, self.tile_size) - self.level
        return (difference.square() if self.form == 'code' else difference.abs()).mean()


@MODELS.register_module()
class ColorConstancyLoss(nn.Module):
    """The three channels have the same mean.

    With the means R, G, B over a picture, √((R-G)⁴ + (R-B)⁴ + (G-B)⁴ + ε), and the mean of that over pictures. ε is
    ours: without it a grey picture has a gradient of NaN.

    Args:
        form: ``paper`` has (R-G)² + (R-B)² + (G-B)².
        eps: ε.

    Raises:
        ValueError: `form` is unknown.
    """

    def __init__(self, form: str = 'code', eps: float = 1e-12) -> None:
        super().__init__()
        self.form = _check_form(form)
        self.eps = eps

    def forward(self, enhanced: Tensor) -> Tensor:
        """A scalar for (N, 3, H, W) RGB in [0, 1]."""
        means = enhanced.mean(dim=(-2, -1))
        squares = (means - means.roll(1, dims=1)).square()
        if self.form == 'paper':
            return squares.sum(dim=1).mean()
        return (squares.square().sum(dim=1) + self.eps).sqrt().mean()


@MODELS.register_module()
class IlluminationSmoothnessLoss(nn.Module):
    """Maps vary slowly: squared differences of neighbours, averaged over pixels and pictures, summed over channels.

    As in the released code, twice the sum of the vertical and of the horizontal part.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """A scalar for (N, C, H, W) maps."""
        return maps.shape[1] * squared_total_variation(maps)


@MODELS.register_module()
class ZeroDCELoss(nn.Module):
    """All four, weighted. Neither labels nor references are needed.

    The default weights are those of the released code. The paper's 20 (smoothness) and 0.5 (colour) belong to sums
    where the code has means.

    Args:
        smooth_weight: Of :class:`IlluminationSmoothnessLoss`.
        spatial_weight: Of :class:`SpatialConsistencyLoss`.
        color_weight: Of :class:`ColorConstancyLoss`.
        exposure_weight: Of :class:`ExposureControlLoss`.
        level: Brightness to reach, see :class:`ExposureControlLoss`.
        form: ``code`` or ``paper``, for colour and exposure.

    Raises:
        ValueError: `form` is unknown.
    """

    def __init__(
        self,
        smooth_weight: float = 200.0,
        spatial_weight: float = 1.0,
        color_weight: float = 5.0,
        exposure_weight: float = 10.0,
        level: float = 0.6,
        form: str = 'code',
    ) -> None:
        super().__init__()
        self.smooth_weight = smooth_weight
        self.spatial_weight = spatial_weight
        self.color_weight = color_weight
        self.exposure_weight = exposure_weight
        self.smoothness = IlluminationSmoothnessLoss()
        self.consistency = SpatialConsistencyLoss()
        self.constancy = ColorConstancyLoss(form)
        self.exposure = ExposureControlLoss(level=level, form=form)

    def forward(self, enhanced: Tensor, images: Tensor, curves: Tensor) -> dict[str, Tensor]:
        """The weighted parts.

        Args:
            enhanced: The lit pictures, (N, 3, H, W) RGB in [0, 1].
            images: The pictures, the same shape.
            curves: The maps that lit them, (N, C, H, W).

        Returns:
            ``loss_smooth``, ``loss_spatial``, ``loss_color`` and ``loss_exposure``.

        Raises:
            ValueError: The pictures differ in shape.
        """
        if enhanced.shape != images.shape:
            raise ValueError(
                f'`enhanced` {tuple(enhanced.shape)} must have the shape of `images` {tuple(images.shape)}.'
            )
        return dict(
            loss_smooth=self.smooth_weight * self.smoothness(curves),
            loss_spatial=self.spatial_weight * self.consistency(enhanced, images),
            loss_color=self.color_weight * self.constancy(enhanced),
            loss_exposure=self.exposure_weight * self.exposure(enhanced),
        )


def _check_form(form: str) -> str:
    if form not in FORMS:
        raise ValueError(f'`form` must be one of {", ".join(FORMS)}, but got {form!r}.')
    return form
