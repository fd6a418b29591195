"""What no enhancer can do, since it looks at the reference: the best gain for each picture, and bicubic enlargement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

from llv.datasets.night_scenes import linear_to_srgb, srgb_to_linear
from llv.evaluation.measure import average, measure
from llv.evaluation.protocols import get_protocol
from llv.registry import DATASETS

_METRICS = ('psnr', 'ssim', 'rmse')
_GAINS = (0.5, 256.0)


def enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    """(H, W, 3) float in [0, 1] to (s·H, s·W, 3), by OpenCV's bicubic interpolation, clipped."""
    return cv2.resize(
        np.float32(picture), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
    ).clip(0, 1)


def gain_in_srgb(picture: np.ndarray, gain: float) -> np.ndarray:
    """Values times `gain`, clipped."""
    return np.clip(picture * gain, 0, 1)


def gain_in_linear_light(picture: np.ndarray, gain: float) -> np.ndarray:
    """Light times `gain`, clipped."""
    return linear_to_srgb(srgb_to_linear(picture) * gain)


CORRECTIONS: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    'best gain, then bicubic': gain_in_srgb,
    'best gain in linear light, then bicubic': gain_in_linear_light,
}


def best_gain(
    dark: np.ndarray, target: np.ndarray, correct: Callable[[np.ndarray, float], np.ndarray]
) -> np.ndarray:
    """The picture after the gain with the least squared error to its target, enlarged.

    Args:
        dark: (H, W, 3) float sRGB in [0, 1].
        target: (s·H, s·W, 3) float sRGB in [0, 1].
        correct: One of :data:`CORRECTIONS`.
    """
    scale = target.shape[0] // dark.shape[0]

    def error(gain: float) -> float:
        return float(np.square(enlarged(correct(dark, gain), scale) - target).mean())

    low, high = _GAINS
    for _ in range(5):  # the error has one valley
        grid = np.geomspace(low, high, 9)
        best = int(np.argmin([error(gain) for gain in grid]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 8)]
    return enlarged(correct(dark, grid[best]), scale)


def measure_best_gains(cfg: Config) -> dict[str, dict[str, float]]:
    """The figures of both corrections on the pictures that a config is tested on.

    Args:
        cfg: With ``test_dataloader`` on ``llv.RELLISURDataset``.

    Returns:
        By correction the means of PSNR, SSIM and RMSE under the protocol ``trico``, over all pictures and, as
        ``psnr_-2.5`` and so on, by exposure.
    """
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    protocol = get_protocol('trico')
    rows: dict[str, list[tuple[float, dict[str, float]]]] = {name: [] for name in CORRECTIONS}
    for item in dataset:
        sample = item['data_samples']
        dark = item['inputs'].flip(0).numpy().transpose(1, 2, 0) / 255  # from BGR
        reference = sample.reference.data.float() / 255
        target = reference.numpy().transpose(1, 2, 0)
        for name, correct in CORRECTIONS.items():
            found = torch.from_numpy(best_gain(dark, target, correct).transpose(2, 0, 1).copy())
            figures = measure(found, reference, _METRICS, protocol, sample.img_path)
            rows[name].append((sample.ev, figures))
    return {name: _by_exposure(found) for name, found in rows.items()}


def _by_exposure(rows: list[tuple[float, dict[str, float]]]) -> dict[str, Any]:
    figures, _ = average([row for _, row in rows])
    for ev in sorted({ev for ev, _ in rows}):
        means, _ = average([row for other, row in rows if other == ev])
        figures |= {f'{name}_{ev}': value for name, value in means.items()}
    return figures
