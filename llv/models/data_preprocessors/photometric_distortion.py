"""Colour distortion of the lit picture: behind an enhancer, where mm's transform of that name stands before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llv.registry import MODELS


@dataclass(frozen=True)
class Draw:
    """What happens to one picture; None leaves a step out.

    Attributes:
        brightness: Added to all values.
        contrast: Factor of all values.
        contrast_first: Whether the contrast changes before the colours or after them.
        saturation: Factor of the saturation.
        hue: Turn of the hue in steps of two degrees, the unit of 8-bit pictures in OpenCV.
    """

    brightness: float | None = None
    contrast: float | None = None
    contrast_first: bool = False
    saturation: float | None = None
    hue: int | None = None


@MODELS.register_module()
class PhotoMetricDistortion(nn.Module):
    """mmseg's ``PhotoMetricDistortion`` for tensors, with gradients to what made the picture.

    Before an enhancer the transform would add up to 32 levels, more than the signal of many night pictures; behind it
    the picture is lit. Each step happens with probability 1/2: brightness, contrast, saturation, hue; contrast comes
    second or last, each with probability 1/2. Values are clamped to 0..255 where the transform clips them. It rounds
    nothing, whereas the transform cuts off decimals after each step and keeps the hue in steps of two degrees.

    Nothing happens in eval mode. Each picture draws nine numbers from torch's global generator on the CPU, which
    ``SeedIterationHook`` seeds before every iteration.

    Args:
        brightness_delta: Largest shift of the brightness.
        contrast_range: Smallest and largest factor of the contrast.
        saturation_range: Smallest and largest factor of the saturation.
        hue_delta: Largest turn of the hue, in steps of two degrees; as in the transform it is never reached upwards.

    Raises:
        ValueError: A number is negative, or a range is not two rising numbers.
    """

    def __init__(
        self,
        brightness_delta: float = 32,
        contrast_range: Sequence[float] = (0.5, 1.5),
        saturation_range: Sequence[float] = (0.5, 1.5),
        hue_delta: int = 18,
    ) -> None:
        super().__init__()
        for name, delta in (('brightness_delta', brightness_delta), ('hue_delta', hue_delta)):
            if delta < 0:
                raise ValueError(f'`{name}` must not be negative, but got {delta}.')
        for name, limits in (
            ('contrast_range', contrast_range),
            ('saturation_range', saturation_range),
        ):
            if len(limits) != 2 or not 0 <= limits[0] <= limits[1]:
                raise ValueError(
                    f'`{name}` must be the smallest and the largest factor, not negative, but got {limits}.'
                )
        self.brightness_delta = brightness_delta
        self.contrast_range = tuple(contrast_range)
        self.saturation_range = tuple(saturation_range)
        self.hue_delta = hue_delta

    def forward(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Distort each picture by itself.

        Args:
            pictures: (3, H, W) float RGB in 0..255 each, of any sizes.

        Returns:
            As many of the same shapes, in 0..255; in eval mode the very tensors.
        """
        if not self.training:
            return list(pictures)
        return [distort(picture, self.draw()) for picture in pictures]

    def draw(self) -> Draw:
        """What happens to the next picture."""
        numbers = torch.rand(9, dtype=torch.float64).tolist()
        coins, values = [number < 0.5 for number in numbers[:5]], numbers[5:]
        hue = int(2 * self.hue_delta * values[3]) - self.hue_delta
        return Draw(
            brightness=_between(-self.brightness_delta, self.brightness_delta, values[0])
            if coins[0]
            else None,
            contrast=_between(*self.contrast_range, values[1]) if coins[1] else None,
            contrast_first=coins[2],
            saturation=_between(*self.saturation_range, values[2]) if coins[3] else None,
            hue=hue if coins[4] else None,
        )

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f'brightness_delta={self.brightness_delta}, contrast_range={self.contrast_range}, '
            f'saturation_range={self.saturation_range}, hue_delta={self.hue_delta}'
        )


def distort(picture: Tensor, draw: Draw) -> Tensor:
    """What a draw makes of a picture, (3, H, W) RGB in 0..255; what lies outside is clamped first."""
    picture = picture.clamp(0, 255)
    if draw.brightness is not None:
        picture = (picture + draw.brightness).clamp(0, 255)
    if draw.contrast is not None and draw.contrast_first:
        picture = (picture * draw.contrast).clamp(0, 255)
    if draw.saturation is not None:
        picture = saturate(picture, draw.saturation)
    if draw.hue is not None:
        picture = turn_hue(picture, 2 * draw.hue)
    if draw.contrast is not None and not draw.contrast_first:
        picture = (picture * draw.contrast).clamp(0, 255)
    return picture


def saturate(picture: Tensor, factor: float) -> Tensor:
    """Multiply the saturation of HSV by a factor, up to full saturation; hue and value stay.

    Written on RGB: full colours lie between the largest channel and zero, and saturation is the share of that way.
    """
    value = picture.amax(0, keepdim=True)
    chroma = value - picture.amin(0, keepdim=True)
    # a grey pixel has no chroma; the bound keeps its gradient finite
    most = value / chroma.clamp(min=1e-3)
    return value - (value - picture) * most.clamp(max=factor)


def turn_hue(picture: Tensor, degrees: float) -> Tensor:
    """Turn the hue of HSV; saturation and value stay.

    The hue is carried as a multiple of the chroma (a sixth of the circle is one chroma), so nothing is divided and
    grey pixels need no care: the result is linear in the picture wherever the order of the channels stays.
    """
    red, green, blue = picture
    value, chroma = picture.amax(0), picture.amax(0) - picture.amin(0)
    hue = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * chroma, red - green + 4 * chroma),
    )
    circle = 6 * chroma
    channels = []
    for sixths in (5, 3, 1):
        place = hue + (sixths + (degrees % 360) / 60) * chroma
        for _ in range(2):  # it lies between 0 and 16 chromas
            place = torch.where(place >= circle, place - circle, place)
        channels.append(
            value - torch.minimum(place, 4 * chroma - place).clamp(min=0).minimum(chroma)
        )
    return torch.stack(channels)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
