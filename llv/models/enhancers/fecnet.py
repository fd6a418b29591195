"""FECNet: Fourier-based exposure correction (Huang et al., ECCV 2022)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from ..losses.frequency import FECNetLoss
from .base import BaseEnhancer, Enhancement

FORMULAS = ('stabilised', 'raw')
_WIDTH = 8
_EPS = 1e-8
_LIFT = 1e-5  # what the stabilised formula adds to its results, and what it puts in place of NaN and infinities

_BLOCK = 32  # numbers that vector code takes at a time

# official name -> llv's, applied in this order
_RENAMES = (
    (r'^AmplitudeNet\.', 'amplitude.'),
    (r'^PhaseNet\.', 'phase.'),
    (r'^phase\.conv0\.cat\.', 'phase.entry.project.'),
    (r'^phase\.conv0\.process\.', 'phase.entry.gate.'),
    (r'^amplitude\.conv0\.', 'amplitude.stem.'),
    (r'\.conv([1-5])\.', r'.sfi\1.'),
    (r'\.downsample([12])\.', r'.down\1.'),
    (r'\.convoutfinal\.', '.mix_rgb.'),
    (r'\.convout\.', '.to_rgb.'),
    (r'\.trans\.', '.guide.'),
    (r'\.combine([12])\.conv(mul|add|fuse)\.', r'.modulate\1.\2.'),
    (r'\.mul\.', '.scale.'),
    (r'\.add\.', '.shift.'),
    (r'\.fpre\.', '.freq_in.'),
    (r'\.spatial_process([12])\.block\.', r'.spatial\1.'),
    (r'\.frequency_process([12])\.process\.', r'.freq\1.'),
    (r'\.frequency_spatial\.', '.f2s.'),
    (r'\.spatial_frequency\.', '.s2f.'),
    (r'\.cat\.', '.merge.'),
)


@MODELS.register_module()
class FECNet(BaseEnhancer):
    """Correct the amplitude spectrum first, then the phase spectrum with the first result as a guide.

    Two sub-networks of spatial-frequency interaction blocks (Section 3 of the paper): the first maps amplitudes at
    three scales, the second phases at full size. 151 965 parameters; the published count 151 977 includes a
    convolution that nothing uses. The weights of ``phase.guide`` stay what they are, as in the released training,
    whose graph is cut behind them.

    ``Enhancement.image`` is the result of the phase sub-network as the paper says (the released SICE and MSEC
    networks return the amplitude result twice). Maps:

    * ``raw``: that result (N, 3, H, W) before the clamp to [0, 1].
    * ``amplitude``: the result of the amplitude sub-network, (N, 3, H, W); clamped in the stabilised formula.

    Height and width must be multiples of four inside the network: other pictures are padded by replication at the
    bottom and the right and cropped back, whereas the authors enlarge them by bilinear resampling and keep the larger
    size. Pictures of such sizes are not touched.

    The phase path is ill-conditioned: where an angle is near ±π a rounding error turns it by 2π, and the learned maps
    make another amplitude of that. Another build, device or batch size therefore changes single pixels of the result
    by up to 3e-3 (SICE weights) while ``amplitude`` agrees to 1e-5. Operations are kept in the published order for
    that reason; on one build the results equal the published ones bit by bit.

    Args:
        formula: ``'stabilised'`` adds 1e-8 in several places, takes absolute values behind inverse transforms, guards
            against NaN and clamps its results: SICE, MSEC, FiveK weights. ``'raw'`` does none of this and
            concatenates in another order at the entry of the phase sub-network: LOL weights. It belongs to the
            weights, crossing the two costs many dB. None: what the weight file says, else ``'stabilised'``.
        weights: See :class:`BaseEnhancer`.
        scene_loss: Config of the loss, ``llv.FECNetLoss`` by default; it needs references.

    Raises:
        ValueError: `formula` is unknown or contradicts the weights.
    """

    def __init__(
        self,
        formula: str | None = None,
        weights: str | None = None,
        scene_loss: dict | None = None,
    ) -> None:
        super().__init__(weights)
        options = self.settle_options(dict(formula='stabilised'), formula=formula)
        self.formula: str = options['formula']
        if self.formula not in FORMULAS:  # weight files are input as well
            raise ValueError(
                f'`formula` must be one of {", ".join(FORMULAS)}, but got {self.formula!r}.'
            )
        stable = self.formula == 'stabilised'
        self.amplitude = AmplitudeNetwork(stable)
        self.phase = PhaseNetwork(stable)
        self.scene_loss = FECNetLoss() if scene_loss is None else MODELS.build(scene_loss)
        self.load_weights()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        height, width = images.shape[-2:]
        pad_h, pad_w = -height % 4, -width % 4
        if pad_h or pad_w:
            images = F.pad(images, (0, pad_w, 0, pad_h), mode='replicate')
        amplitude = self.amplitude(images)
        raw = self.phase(amplitude, images)
        if self.formula == 'stabilised':
            raw = raw + _LIFT
            amplitude = (amplitude + _LIFT).clamp(0, 1)
        raw, amplitude = (t[..., :height, :width] for t in (raw, amplitude))
        return Enhancement(raw.clamp(0, 1), dict(raw=raw, amplitude=amplitude))

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The supervised loss on the results as the published networks return them; see ``llv.FECNetLoss``."""
        if references is None:
            raise ValueError(
                '`FECNet` is trained with well-lit `references`, but the batch has none; load them with '
                '`llv.LoadReference`, or train it with a task loss.'
            )
        clamped = self.formula == 'stabilised'
        result = enhancement.image if clamped else enhancement.maps['raw']
        return self.scene_loss(result, enhancement.maps['amplitude'], references)

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename official tensors and drop those of the unused convolution; other files pass through."""
        names = (name.removeprefix('module.') for name in state_dict)
        official = dict(zip(names, state_dict.values(), strict=True))
        if 'AmplitudeNet.conv0.weight' not in official:
            return state_dict
        renamed = {}
        for name, tensor in official.items():
            if name.startswith('AmplitudeNet.pro.'):
                continue
            for pattern, replacement in _RENAMES:
                name = re.sub(pattern, replacement, name)
            renamed[name] = tensor
        return renamed


class AmplitudeNetwork(nn.Module):
    """The first sub-network, a U-net of three scales that maps amplitude spectra.

    Args:
        stable: Whether the stabilised formula holds.
    """

    def __init__(self, stable: bool) -> None:
        super().__init__()
        c = _WIDTH
        self.stem = nn.Conv2d(3, c, 1)
        self.sfi1 = Interaction(c, 'amplitude', stable)
        self.down1 = nn.Conv2d(c, 2 * c, 2, stride=2)
        self.sfi2 = Interaction(2 * c, 'amplitude', stable)
        self.down2 = nn.Conv2d(2 * c, 3 * c, 2, stride=2)
        self.sfi3 = Interaction(3 * c, 'amplitude', stable)
        self.up1 = nn.ConvTranspose2d(5 * c, 2 * c, 1)
        self.sfi4 = Interaction(2 * c, 'amplitude', stable)
        self.up2 = nn.ConvTranspose2d(3 * c, c, 1)
        self.sfi5 = Interaction(c, 'amplitude', stable)
        self.to_rgb = nn.Conv2d(c, 3, 1)
        self.mix_rgb = nn.Conv2d(3, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in and out, H and W multiples of four; not clamped."""
        fine = self.sfi1(self.stem(images))
        middle = self.sfi2(self.down1(fine))
        x = self.sfi3(self.down2(middle))
        x = self.sfi4(self.up1(_resize_and_join(x, middle)))
        x = self.sfi5(self.up2(_resize_and_join(x, fine)))
        return self.mix_rgb(self.to_rgb(x).add_(images))


class PhaseNetwork(nn.Module):
    """The second sub-network: maps phase spectra at full size, guided by what the first one changed.

    Args:
        stable: Whether the stabilised formula holds.
    """

    def __init__(self, stable: bool) -> None:
        super().__init__()
        c = 2 * _WIDTH
        self.stable = stable
        self.entry = GatedProjection(6, c)
        for k in (1, 2, 3, 4):
            self.add_module(f'sfi{k}', Interaction(c, 'phase', stable))
        # cut off from the graph in `forward`, so declared untrained: every other parameter gets a gradient
        self.guide = nn.Conv2d(3, c, 1).requires_grad_(False)
        self.modulate1 = Modulation(c)
        self.modulate2 = Modulation(c)
        self.to_rgb = nn.Conv2d(c, 3, 1)

    def forward(self, amplitude: Tensor, images: Tensor) -> Tensor:
        """(N, 3, H, W) result of the first sub-network, not clamped, and picture in; the same shape out."""
        y = self.entry(self.swap_amplitude(amplitude, images))
        guide = self.guide((amplitude - images).detach())
        y = self.modulate1(self.sfi1(y), guide)
        y = self.modulate2(self.sfi2(y), guide)
        del guide
        return self.to_rgb(self.sfi4(self.sfi3(y))).add_(images)

    def swap_amplitude(self, amplitude: Tensor, images: Tensor) -> Tensor:
        """The amplitude spectrum of one with the phase spectrum of the other, beside the first: (N, 6, H, W)."""
        magnitude, _ = _to_polar(torch.fft.rfft2(amplitude))
        _, phase = _to_polar(torch.fft.rfft2(images))
        z = _from_polar(magnitude, phase)
        # the size is explicit: half a spectrum does not tell an odd width from an even one
        if not self.stable:
            return torch.cat([amplitude, torch.fft.irfft2(z, s=images.shape[-2:])], 1)
        swapped = torch.fft.irfft2(z.add_(_EPS), s=images.shape[-2:])
        return torch.cat([swapped.add_(_EPS).abs_().add_(_EPS), amplitude], 1)


class Interaction(nn.Module):
    """Spatial-frequency interaction (Figure 4 of the paper): two branches that exchange what they found twice.

    Args:
        width: Channels in and out.
        mode: ``'amplitude'`` or ``'phase'``, the part of the spectrum that the frequency branch maps.
        stable: Whether the stabilised formula holds.
    """

    def __init__(self, width: int, mode: str, stable: bool) -> None:
        super().__init__()
        self.mode = mode
        self.stable = stable
        self.freq_in = nn.Conv2d(width, width, 1)
        self.spatial1 = _two_convolutions(width, 3)
        self.spatial2 = _two_convolutions(width, 3)
        self.freq1 = _two_convolutions(width, 1)
        self.freq2 = _two_convolutions(width, 1)
        self.f2s = nn.Conv2d(width, width, 3, padding=1)
        self.s2f = nn.Conv2d(width, width, 3, padding=1)
        self.merge = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) in and out."""
        size = x.shape[-2:]
        z = self.map_spectrum(self.freq1, torch.fft.rfft2(self.freq_in(x)))
        y = torch.fft.irfft2(z, s=size)
        if self.stable:
            y = y.abs_().add_(_EPS)
        y = self.f2s(y)
        u = self.map_space(self.spatial1, x).add_(y)
        z = self.map_spectrum(self.freq2, torch.fft.rfft2(self.s2f(u)).add_(z))
        y = torch.fft.irfft2(z, s=size)
        del z
        u = self.map_space(self.spatial2, u)
        if self.stable:
            u, y = u.add_(_EPS), y.abs_()
        joined = torch.cat([u, y], 1)
        del u, y
        result = self.merge(joined).add_(x)
        return result.nan_to_num_(_LIFT, _LIFT, _LIFT) if self.stable else result

    def map_spectrum(self, layers: nn.Module, z: Tensor) -> Tensor:
        """Map the amplitudes or the phases of a half spectrum; changes `z`."""
        if self.stable:
            z = z.add_(_EPS)
        magnitude, phase = _to_polar(z)
        del z  # large, and of no more use
        if self.mode == 'amplitude':
            magnitude = layers(magnitude)
        else:
            phase = layers(phase)
        z = _from_polar(magnitude, phase)
        return z.add_(_EPS) if self.stable else z

    @staticmethod
    def map_space(layers: nn.Module, x: Tensor) -> Tensor:
        """x + LeakyReLU of two convolutions."""
        return F.leaky_relu(layers(x), 0.1).add_(x)


class GatedProjection(nn.Module):
    """Weigh channels by their contrast and mean, then project them.

    Args:
        channels: Channels in.
        width: Channels out.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        # 3×3 kernels on maps of 1×1: only the centres act
        self.gate = nn.Sequential(
            nn.Conv2d(channels, 1, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(1, channels, 3, padding=1),
            nn.Sigmoid(),
        )
        self.project = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) in, (N, width, H, W) out."""
        mean = x.mean((2, 3), keepdim=True)
        variance = (x - mean).square_().mean((2, 3), keepdim=True)
        # the root of 0, a constant channel, has no gradient
        deviation = variance.clamp_min(1e-12).sqrt()
        return self.project(self.gate(deviation + mean) * x)


class Modulation(nn.Module):
    """Scale and shift a feature by a guide and fuse the result with the feature.

    Args:
        width: Channels of feature, guide and result.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Conv2d(width, width, 3, padding=1)
        self.shift = nn.Conv2d(width, width, 3, padding=1)
        self.fuse = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """(N, width, H, W) each."""
        changed = self.scale(guide).mul_(x).add_(self.shift(guide))
        return self.fuse(torch.cat([x, changed], 1))


def _two_convolutions(width: int, kernel: int) -> nn.Sequential:
    layers = [nn.Conv2d(width, width, kernel, padding=kernel // 2) for _ in range(2)]
    return nn.Sequential(layers[0], nn.LeakyReLU(0.1, inplace=True), layers[1])


def _resize_and_join(x: Tensor, skip: Tensor) -> Tensor:
    x = F.interpolate(x, skip.shape[-2:], mode='bilinear', align_corners=False)
    return torch.cat([x, skip], 1)


def _to_polar(z: Tensor) -> tuple[Tensor, Tensor]:
    """Amplitude and phase in [-π, π] of a complex tensor."""
    if z.requires_grad:
        # an angle's gradient is 0 at 0 and 1 / |z| elsewhere, which overflows for the smallest numbers
        z.register_hook(_finite)
    if z.requires_grad or z.numel() % _BLOCK:
        return z.abs(), z.angle()
    # the same numbers, bit by bit where no rest is left to scalar code, in a third of the time on a CPU
    real, imaginary = z.real.contiguous(), z.imag.contiguous()
    return torch.hypot(real, imaginary), torch.atan2(imaginary, real)


def _from_polar(magnitude: Tensor, phase: Tensor) -> Tensor:
    # the products written out: other routines for it round differently
    return torch.complex(phase.cos().mul_(magnitude), phase.sin().mul_(magnitude))


def _finite(gradient: Tensor) -> Tensor:
    return torch.view_as_complex(torch.view_as_real(gradient).nan_to_num(0.0, 0.0, 0.0))
