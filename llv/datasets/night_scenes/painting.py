"""Grounds, colours and patterns that scenes are painted with, and the generators they are drawn by."""

import hashlib
from typing import Any

import cv2
import numpy as np

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def stream(*key: Any) -> np.random.Generator:
    """A generator that depends on the key alone: no global state, no hash seed of Python."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(list(np.frombuffer(digest, '<u4'))))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two positive ones whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Channel factors of a random colour with luminance 1, float32 (3,)."""
    factors = np.exp(rng.normal(0, strength, 3)).astype(np.float32)
    return factors / (factors @ LUMA)


def smooth_noise(
    rng: np.random.Generator, size: tuple[int, int], cells: float, channels: int = 1
) -> np.ndarray:
    """Random field with about `cells` bumps along the short side, float32 (H, W[, channels])."""
    step = min(size) / cells
    grid = [int(np.ceil(side / step)) + 3 for side in size]
    field = rng.standard_normal((*grid, channels), np.float32)
    enlarged = cv2.resize(
        field, (round(grid[1] * step), round(grid[0] * step)), interpolation=cv2.INTER_CUBIC
    )
    margin = int(step)
    return enlarged[margin : margin + size[0], margin : margin + size[1]]


def stripes(u: np.ndarray, v: np.ndarray, rng: np.random.Generator, period: float) -> np.ndarray:
    """Sine wave of amplitude 1 in a random direction; `period` in the units of u and v."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    wave = (u * np.cos(angle) + v * np.sin(angle)) * (2 * np.pi / period) + phase
    return np.sin(wave.astype(np.float32))


def background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Textured ground, linear reflectance, float32 (H, W, 3): octaves, gradient, steps, stripes."""
    short = min(size)
    v, u = np.meshgrid(*(np.arange(side, dtype=np.float32) / short for side in size), indexing='ij')
    log = np.zeros(size, np.float32)
    strength = rng.uniform(0.12, 0.28)
    for cells in (2, 4, 8, 16, 32):
        log += strength * cells**-0.35 * smooth_noise(rng, size, min(cells, short / 3))
    angle = rng.uniform(0, 2 * np.pi)
    log += rng.uniform(0, 0.7) * (u * np.cos(angle) + v * np.sin(angle))
    for _ in range(2):  # walls and floors: half-planes that are darker, with or without stripes
        angle = rng.uniform(0, 2 * np.pi)
        offset = rng.uniform(0.2, 0.8) * (np.cos(angle) * u[-1, -1] + np.sin(angle) * v[-1, -1])
        side = np.clip((u * np.cos(angle) + v * np.sin(angle) - offset) * short + 0.5, 0, 1)
        log -= rng.uniform(0, 0.6) * side
        log += (
            side
            * rng.choice([0, rng.uniform(0.05, 0.2)])
            * stripes(u, v, rng, rng.uniform(6, 24) / 192)
        )
    log += np.log(log_uniform(rng, 0.12, 0.32)) - log.mean()
    chroma = 0.1 * smooth_noise(rng, size, 3, channels=3)
    ground = np.exp(log[..., None] + chroma) * tint(rng, 0.12)
    return np.clip(ground, 0.04, 0.6).astype(np.float32)


def texture(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Log-reflectance pattern inside an object, independent of its class, float32 like u."""
    kind = rng.integers(0, 4)
    strength = rng.uniform(0.05, 0.18)
    if kind == 0:
        return np.zeros_like(u)
    if kind == 1:
        return strength * stripes(u, v, rng, rng.uniform(0.4, 0.9))
    if kind == 2:
        period = rng.uniform(0.5, 0.9)
        return strength * stripes(u, v, rng, period) * stripes(u, v, rng, period)
    return strength * rng.standard_normal(u.shape, np.float32)
