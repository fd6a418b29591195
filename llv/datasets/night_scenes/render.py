"""Night rendering of a linear-light picture: exposure, lamps, white balance, noise, 8 bits.

The model is the usual radiometric one: sensor signal = reflectance x illumination x channel gain,
with photon noise whose variance grows with the signal and read noise that does not (Foi et al.,
"Practical Poissonian-Gaussian noise modeling and fitting", IEEE TIP 2008), and the sRGB curve of
IEC 61966-2-1.
"""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

MODES = ('local', 'uniform')

EXPOSURE_EV = (-5.5, -2.5)
BLUE_GAIN = (0.45, 1.0)
RED_GAIN = (0.85, 1.1)
MIN_SPAN = 10.0
UNIFORM_EV = -2.5
UNIFORM_WHITE_BALANCE = (1.0, 1.0, 0.75)


@dataclass(frozen=True)
class Light:
    """A lamp above the picture plane.

    Attributes:
        x, y: Foot of the lamp in pixels (pixel centres are whole numbers), possibly outside.
        height: Distance of the lamp from the plane in pixels, > 0.
        peak: Illumination at its foot in units of normal light (1 = the day picture).
    """

    x: float
    y: float
    height: float
    peak: float


@dataclass(frozen=True)
class Conditions:
    """Everything that a rendering draws at random except the noise itself.

    Attributes:
        exposure_ev: Ambient exposure in stops from normal light: factor ``2 ** exposure_ev``.
        lights: Lamps added to the ambient light.
        white_balance: Channel gains (red, green, blue) of the linear signal.
        shot_noise: Variance of the photon noise per unit of linear signal (full scale = 1).
        read_noise: Standard deviation of the read noise in linear full scales.
    """

    exposure_ev: float = 0.0
    lights: tuple[Light, ...] = ()
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shot_noise: float = 0.0
    read_noise: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, as JSON takes them."""
        return asdict(self) | dict(
            lights=[asdict(light) for light in self.lights], white_balance=list(self.white_balance)
        )


DAY = Conditions(shot_noise=1e-4, read_noise=1e-3)


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """Undo the sRGB curve: uint8 0..255 or float 0..1 of any shape -> float32 0..1 linear."""
    x = np.asarray(image)
    x = x.astype(np.float32) / (255 if x.dtype == np.uint8 else 1)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Apply the sRGB curve: linear float, clipped to 0..1, of any shape -> float32 0..1."""
    x = np.clip(np.asarray(linear, np.float32), 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * cv2.pow(x, 1 / 2.4).reshape(x.shape) - 0.055)


def illumination_map(
    size: tuple[int, int], exposure_ev: float, lights: tuple[Light, ...] = ()
) -> np.ndarray:
    """Light that falls on each pixel: ambient plus lamps with inverse-square fall-off.

    A lamp of height h gives ``peak * h^2 / (d^2 + h^2)`` at the distance d from its foot, which is
    the inverse square of the true distance to the lamp.

    Args:
        size: (H, W) in pixels.
        exposure_ev: Ambient exposure in stops relative to normal light.
        lights: Lamps, positions in pixels.

    Returns:
        Illumination, float32 (H, W), in units of normal light (1 = day), not clipped.
    """
    height, width = size
    field = np.full((height, width), 2.0**exposure_ev, np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    cols = np.arange(width, dtype=np.float32)[None]
    for light in lights:
        squared = (rows - light.y) ** 2 + (cols - light.x) ** 2
        field += light.peak * light.height**2 / (squared + light.height**2)
    return field


def draw_lights(
    rng: np.random.Generator, size: tuple[int, int], ambient: float, inside: int | None = None
) -> tuple[Light, ...]:
    """Draw 0 to 3 lamps in the picture; with none, one outside the frame lights it from a side.

    Peaks are log-uniform in 0.7..3 of normal light, and at least 16 times the ambient light. The
    draw is repeated until the brightest pixel has at least ``MIN_SPAN`` times the light of the
    darkest (feasible from 32 x 32 pixels on; below, the widest of 100 draws is taken).

    Args:
        rng: Source of all randomness.
        size: (H, W) in pixels.
        ambient: Ambient illumination in units of normal light.
        inside: Number of lamps in the picture; None draws it.
    """
    height, width = size
    short = min(size)
    best, best_span = (), 0.0
    if inside is None:
        inside = int(rng.integers(0, 4))
    for _ in range(100):
        lights = []
        for _ in range(max(inside, 1)):
            x, y = rng.uniform(0, width), rng.uniform(0, height)
            if not inside:
                beyond = rng.uniform(0.01, 0.08) * short
                side = rng.integers(0, 4)
                x = (x, x, -beyond, width - 1 + beyond)[side]
                y = (-beyond, height - 1 + beyond, y, y)[side]
            peak = max(np.exp(rng.uniform(np.log(0.7), np.log(3.0))), 16 * ambient)
            stand = np.exp(rng.uniform(np.log(0.07), np.log(0.25))) * short
            lights.append(Light(*(round(float(v), 4) for v in (x, y, stand, peak))))
        field = illumination_map(size, float(np.log2(ambient)), tuple(lights))
        span = float(field.max() / field.min())
        if span > best_span:
            best, best_span = tuple(lights), span
        if span >= MIN_SPAN:
            break
    return best


def draw_conditions(
    rng: np.random.Generator, size: tuple[int, int], mode: str = 'local'
) -> Conditions:
    """Draw the light of one night picture.

    ``local``: ambient exposure uniform in -5.5..-2.5 EV, lamps by :func:`draw_lights`, blue gain
    log-uniform in 0.45..1, red gain uniform in 0.85..1.1, shot noise 1e-4..3e-4, read noise
    2e-4..8e-4, both log-uniform. ``uniform``, the control: every picture has -2.5 EV, no lamp,
    gains (1, 1, 0.75), shot noise 5e-5 and read noise 2e-4: one gain per channel undoes nearly all of it.

    Args:
        rng: Source of all randomness.
        size: (H, W) in pixels.
        mode: 'local' or 'uniform'.

    Raises:
        ValueError: if `mode` is neither.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` is 'local' or 'uniform', not {mode!r}.")
    if mode == 'uniform':
        return Conditions(UNIFORM_EV, (), UNIFORM_WHITE_BALANCE, 5e-5, 2e-4)
    exposure = round(float(rng.uniform(*EXPOSURE_EV)), 4)
    lights = draw_lights(rng, size, 2.0**exposure)
    blue = float(np.exp(rng.uniform(*np.log(BLUE_GAIN))))
    red = float(rng.uniform(*RED_GAIN))
    return Conditions(
        exposure_ev=exposure,
        lights=lights,
        white_balance=(round(red, 4), 1.0, round(max(blue, BLUE_GAIN[0]), 4)),
        shot_noise=float(np.exp(rng.uniform(np.log(1e-4), np.log(3e-4)))),
        read_noise=float(np.exp(rng.uniform(np.log(2e-4), np.log(8e-4)))),
    )


def render_signal(
    linear: np.ndarray, rng: np.random.Generator, conditions: Conditions
) -> np.ndarray:
    """The sensor's linear signal with noise, before clipping and rounding.

    ``y = s + n``, ``s = linear * illumination * white_balance``, n Gaussian with the variance
    ``shot_noise * s + read_noise ** 2``, independent in each pixel and channel.

    Args:
        linear: Linear RGB under normal light, float (H, W, 3), 0..1.
        rng: Source of the noise.
        conditions: Light, gains and noise levels.

    Returns:
        Linear RGB, float32 (H, W, 3), not clipped.
    """
    if linear.ndim != 3 or linear.shape[2] != 3:
        raise ValueError(f'`linear` is an RGB picture of shape (H, W, 3), not {linear.shape}.')
    field = illumination_map(linear.shape[:2], conditions.exposure_ev, conditions.lights)
    signal = linear * field[..., None] * np.asarray(conditions.white_balance, np.float32)
    noise = rng.standard_normal(signal.shape, np.float32)
    return signal + noise * np.sqrt(conditions.shot_noise * signal + conditions.read_noise**2)


def render_night(
    linear: np.ndarray, rng: np.random.Generator, conditions: Conditions
) -> np.ndarray:
    """Photograph a linear picture under given conditions with an 8-bit sRGB camera.

    Example:
        >>> from llv.datasets.night_scenes import NightScenes
        >>> day = NightScenes(seed=0)[0].day  # or a photograph, RGB
        >>> rng = np.random.default_rng(0)
        >>> conditions = draw_conditions(rng, day.shape[:2])
        >>> night = render_night(srgb_to_linear(day), rng, conditions)

    Args:
        linear: Linear RGB under normal light, float (H, W, 3), 0..1 (see :func:`srgb_to_linear`).
        rng: Source of the noise.
        conditions: Light, gains and noise levels (see :func:`draw_conditions`).

    Returns:
        sRGB picture, uint8 (H, W, 3), RGB order; what exceeds full scale is saturated.
    """
    return np.rint(linear_to_srgb(render_signal(linear, rng, conditions)) * 255).astype(np.uint8)
