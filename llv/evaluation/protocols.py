"""Under which rules two pictures are compared; the same two differ by 0.2 in SSIM from one paper to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

from torch import Tensor

COLOURS = ('rgb', 'gray', 'y')
ROUNDINGS = ('none', 'uint8', 'truncate')
WINDOWS = ('uniform', 'gaussian')
COVARIANCES = ('sample', 'population')
EDGES = ('inside', 'reflect')

# halves and full levels that came out a few float32 steps below stay what they are
_LEVEL_NOISE = 1e-3


@dataclass(frozen=True)
class Protocol:
    """The rules of a comparison.

    There is no setting for the data range: PSNR and SSIM do not change when pictures, peak and constants are scaled
    together, so 8-bit levels with the range 255 and the same levels / 255 with the range 1 give one number. RMSE is in
    the units of [0, 1].

    Attributes:
        name: What tables print.
        rounding: ``'none'``: float pictures as they are. ``'uint8'``: to the nearest of 256 levels. ``'truncate'``:
            to the level below, as a cast to 8 bits does. Always after clamping to [0, 1].
        colour: What PSNR and RMSE are taken over: ``'rgb'``, all values of the three channels together; ``'gray'``,
            OpenCV's RGB-to-gray conversion, in its 15-bit integers where `rounding` gives levels; ``'y'``, the luma of
            ITU-R BT.601 in its range 16..235.
        ssim_colour: The same for SSIM; with ``'rgb'`` it is the mean over the channels.
        window: SSIM's window: ``'uniform'`` 7 × 7 or ``'gaussian'`` 11 × 11 with σ 1.5.
        edges: ``'inside'`` takes the windows that lie inside the picture, ``'reflect'`` one around every pixel of the
            picture continued by reflection.
        covariance: ``'sample'`` divides the window's moments by n − 1, ``'population'`` by n.
        downsample: Average both pictures in squares of round(min(H, W) / 256) pixels before SSIM, as ``piq`` does.
        border: Pixels to leave out on each side, for every metric.

    Raises:
        ValueError: A setting is none of these.
    """

    name: str = 'custom'
    rounding: str = 'none'
    colour: str = 'rgb'
    ssim_colour: str = 'rgb'
    window: str = 'uniform'
    edges: str = 'inside'
    covariance: str = 'sample'
    downsample: bool = False
    border: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (
            ('rounding', ROUNDINGS),
            ('colour', COLOURS),
            ('ssim_colour', COLOURS),
            ('window', WINDOWS),
            ('edges', EDGES),
            ('covariance', COVARIANCES),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f'`{name}` of a protocol must be one of {", ".join(map(repr, allowed))}, but got {value!r}.'
                )
        if not isinstance(self.border, int) or self.border < 0:
            raise ValueError(f'`border` must be a number of pixels, but got {self.border!r}.')

    def __str__(self) -> str:
        """One line for the foot of a table."""
        rounding = dict(
            none='float, not rounded', uint8='rounded to 8 bits', truncate='cut to 8 bits'
        )[self.rounding]
        window = dict(uniform='uniform 7 × 7', gaussian='Gaussian 11 × 11 (σ 1.5)')[self.window]
        parts = [
            rounding,
            f'PSNR and RMSE over {self.colour.upper()}',
            f'SSIM over {self.ssim_colour.upper()}, {window}, {self.covariance} covariance'
            + (', reflected edges' if self.edges == 'reflect' else '')
            + (', after average pooling to about 256 pixels' if self.downsample else ''),
        ]
        if self.border:
            parts.append(f'{self.border} pixels of border left out')
        return f'{self.name} ({"; ".join(parts)})'

    def prepare(self, images: Tensor) -> Tensor:
        """Clamp, cut the border off and round.

        Args:
            images: (N, 3, H, W) floating point RGB around [0, 1].

        Returns:
            (N, 3, H − 2·border, W − 2·border) float64 RGB in [0, 1].

        Raises:
            ValueError: The border leaves nothing.
        """
        if self.border:
            height, width = (side - 2 * self.border for side in images.shape[-2:])
            if min(height, width) < 1:
                raise ValueError(
                    f'`border={self.border}` leaves nothing of a picture of {images.shape[-1]} × {images.shape[-2]} '
                    'pixels; choose a smaller border.'
                )
            images = images[
                ..., self.border : self.border + height, self.border : self.border + width
            ]
        images = images.double().clamp(0, 1)
        if self.rounding == 'uint8':
            return (images * 255).round() / 255
        if self.rounding == 'truncate':
            return (images * 255 + _LEVEL_NOISE).floor() / 255
        return images

    def convert(self, images: Tensor, colour: str) -> Tensor:
        """Bring prepared pictures to the colours a metric is taken over.

        Args:
            images: (N, 3, H, W) float64 RGB in [0, 1], from :meth:`prepare`.
            colour: One of ``COLOURS``.

        Returns:
            (N, 3, H, W) for ``'rgb'``, (N, 1, H, W) otherwise, in [0, 1].
        """
        if colour == 'rgb':
            return images
        if colour == 'y':
            return (16 + _mix(images, 65.481, 128.553, 24.966)) / 255
        if self.rounding == 'none':
            return _mix(images, 0.299, 0.587, 0.114)
        # OpenCV's fixed point, which rounds to a level again
        return ((_mix(images * 255, 9798, 19235, 3735) + 2**14) / 2**15 + 1e-9).floor() / 255


def _mix(images: Tensor, red: float, green: float, blue: float) -> Tensor:
    return red * images[:, :1] + green * images[:, 1:2] + blue * images[:, 2:]


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            # scikit-image's defaults on float pictures
            Protocol('skimage'),
            # the test script of RUAS casts to 8 bits when it saves; its paper does not name its SSIM
            Protocol('ruas', rounding='truncate'),
            # `piq` on float pictures
            Protocol('psenet', window='gaussian', covariance='population', downsample=True),
            # the defaults of `torchmetrics` with `data_range=1.0`
            Protocol('torchmetrics', window='gaussian', covariance='population', edges='reflect'),
            # the released PSNR, and the SSIM that the author of FECNet names as that of the papers
            Protocol('erl', rounding='uint8', ssim_colour='gray'),
            # the released SSIM, which is not that of the papers
            Protocol('erl-released', rounding='uint8', window='gaussian', covariance='population'),
            Protocol('trico', rounding='uint8'),
        )
    }
)


def get_protocol(protocol: str | Mapping[str, Any] | Protocol) -> Protocol:
    """A protocol by name, or made of settings.

    Example:
        >>> get_protocol('erl').ssim_colour
        'gray'
        >>> get_protocol(dict(base='erl', border=4)).border
        4

    Args:
        protocol: A name of ``PROTOCOLS``; or settings, those left out as in the protocol named by ``base``
            (``'skimage'`` if there is none).

    Raises:
        ValueError: There is no such protocol or setting.
    """
    if isinstance(protocol, Protocol):
        return protocol
    if isinstance(protocol, Mapping):
        settings = dict(protocol)
        base = get_protocol(settings.pop('base', 'skimage'))
        known = [field.name for field in fields(Protocol)]
        for name in settings:
            if name not in known:
                raise ValueError(
                    f'`{name}` is no setting of a protocol; there are {", ".join(known)} and `base`.'
                )
        return Protocol(**{**asdict(base), 'name': f'{base.name}, changed', **settings})
    if protocol not in PROTOCOLS:
        raise ValueError(
            f'`{protocol}` is no known protocol; choose one of {", ".join(PROTOCOLS)}, or give its settings.'
        )
    return PROTOCOLS[protocol]
