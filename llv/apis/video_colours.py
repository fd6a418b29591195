"""Between the frames of a video codec and RGB tensors, with the matrix and the range that the video says.

FFmpeg's own conversion is not used: it cuts fractions off, up to a whole level, which an enhancer multiplies by its
gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from llv.utils.pictures import PictureError, to_tensor

# weights of R and B in the luma, by the number that H.264 and FFmpeg give a matrix (ITU-T H.273, table 4)
_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
_UNSAID = (0, 2, 3)
_HDR = {16: 'PQ', 18: 'HLG'}
_LIMITED, _FULL = 1, 2


class VideoError(PictureError):
    """A video that cannot be read, understood or written; the message names it and the remedy."""


@dataclass(frozen=True)
class Colours:
    """How a video codes its colours.

    Attributes:
        weight_red, weight_blue: Of R and B in the luma; that of G is the rest.
        full: Luma in 0..255; else in 16..235 and chroma in 16..240.
        orientation: First two columns of the display matrix, (a, b, c, d): a pixel at (x, y) is shown at
            (a·x + c·y, b·x + d·y), each 1, 0 or -1.
    """

    weight_red: float
    weight_blue: float
    full: bool
    orientation: tuple[int, int, int, int] = (1, 0, 0, 1)

    @classmethod
    def of(cls, frame: Any, transfer: int, name: str) -> Colours:
        """Those of a decoded frame (``av.VideoFrame``).

        Where the video does not say its matrix, it is BT.709 from 720 lines or 1280 columns on and BT.601 below, as
        players take it; where it does not say its range, the limited one.

        Args:
            frame: The first of the video.
            transfer: Number of its transfer characteristic.
            name: What an error message calls the video.

        Raises:
            VideoError: The video is HDR, or its matrix is none of those above.
        """
        if transfer in _HDR:
            raise VideoError(
                f'`{name}` is an HDR video ({_HDR[transfer]}), which enhancers were not made for; convert it to SDR '
                'first, with the program that recorded it or a video editor.'
            )
        matrix = int(frame.colorspace)
        if matrix in _UNSAID or frame.format.is_rgb:
            matrix = 1 if frame.height >= 720 or frame.width >= 1280 else 6
        if matrix not in _WEIGHTS:
            raise VideoError(
                f'`{name}` codes its colours by matrix {matrix} of H.273, which is not supported; convert it to BT.709.'
            )
        full = int(frame.color_range) == _FULL or frame.format.name.startswith('yuvj')
        return cls(*_WEIGHTS[matrix], full, _orientation(frame))

    @property
    def is_transposed(self) -> bool:
        """Whether frames are stored lying on their side."""
        return not self.orientation[0]

    def decode(self, frame: Any) -> Tensor:
        """A frame (``av.VideoFrame``) of any format as (3, H, W) float32 RGB in [0, 1], upright."""
        deep = max(component.bits for component in frame.format.components) > 8
        if frame.format.is_rgb:
            image = to_tensor(frame.to_ndarray(format='rgb48le' if deep else 'rgb24'))
        else:
            image = self._to_rgb(frame, deep)
        a, b, c, d = self.orientation
        if self.is_transposed:
            image = image.transpose(1, 2)
        mirrored = [axis for axis, sign in ((1, b + d), (2, a + c)) if sign < 0]
        return image.flip(mirrored).contiguous() if mirrored else image.contiguous()

    def encode(self, image: Tensor) -> Any:
        """(3, H, W) RGB in [0, 1] as an ``av.VideoFrame`` in yuv420p; an odd side gets its last line twice."""
        from av import VideoFrame

        image = image.detach().float().clamp(0, 1)
        height, width = image.shape[1:]
        if height % 2 or width % 2:
            image = F.pad(image[None], (0, width % 2, 0, height % 2), mode='replicate')[0]
        r, g, b = image
        kr, kb = self.weight_red, self.weight_blue
        y = kr * r + (1 - kr - kb) * g + kb * b
        chroma = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
        gains, offset = ((255, 255), 0) if self.full else ((219, 224), 16)
        planes = [y * gains[0] + offset, *(c * gains[1] + 128 for c in chroma)]
        levels = torch.stack(planes).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
        frame = VideoFrame(levels.shape[2], levels.shape[1], 'yuv444p')
        for plane, values in zip(frame.planes, levels, strict=True):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : values.shape[1]] = values
            plane.update(padded)
        return self._reformat(frame, 'yuv420p')

    def _to_rgb(self, frame: Any, deep: bool) -> Tensor:
        # between a format of full range by its name and another, older versions of PyAV change the range
        shallow = 'yuvj444p' if frame.format.name.startswith('yuvj') else 'yuv444p'
        frame = self._reformat(frame, 'yuv444p16le' if deep else shallow)
        kind, step = (np.uint16, 256.0) if deep else (np.uint8, 1.0)
        planes = [
            np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
            for plane in frame.planes
        ]
        y, cb, cr = (torch.from_numpy(plane.astype(np.float32)).div_(step) for plane in planes)
        gains, offset = ((255, 255), 0) if self.full else ((219, 224), 16)
        if self.full and deep:  # the largest of 65536 levels is 1, and the middle of chroma 2¹⁵
            gains = (65535 / 256, 65535 / 256)
        y = y.sub_(offset).div_(gains[0])
        cb, cr = (chroma.sub_(128).div_(gains[1]) for chroma in (cb, cr))
        kr, kb = self.weight_red, self.weight_blue
        r = y + 2 * (1 - kr) * cr
        b = y + 2 * (1 - kb) * cb
        g = (y - kr * r - kb * b) / (1 - kr - kb)
        return torch.stack((r, g, b)).clamp_(0, 1)

    def _reformat(self, frame: Any, name: str) -> Any:
        """To another layout or depth, with the same matrix and range on both sides, so that values stay."""
        kept = _FULL if self.full else _LIMITED
        return frame.reformat(
            format=name,
            src_colorspace=1,
            dst_colorspace=1,
            src_color_range=kept,
            dst_color_range=kept,
        )


def _orientation(frame: Any) -> tuple[int, int, int, int]:
    """The display matrix of a frame where it is one of the eight right-angled ones, else upright."""
    found = frame.side_data.get('DISPLAYMATRIX')
    if found is None:
        return (1, 0, 0, 1)
    matrix = np.frombuffer(bytes(found), np.int32)
    parts = tuple(int(np.sign(matrix[i])) * (abs(matrix[i]) > 2**15) for i in (0, 1, 3, 4))
    a, b, c, d = (int(part) for part in parts)
    upright = a and d and not (b or c)
    lying = b and c and not (a or d)
    return (a, b, c, d) if upright or lying else (1, 0, 0, 1)
