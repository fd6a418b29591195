"""What a training of the study leaves behind: its start, its curve and, for one arm, its weights on the way."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from llv.benchmark.cells import read_metrics


class Recorder(Hook):
    """Keep what is needed to compare a training with its twins.

    ``start.json`` holds digests of the first weights and of the first batch, by which twins are known to be twins;
    ``curve.json`` the figures of each validation by its iteration. Both survive an interruption.

    Args:
        folder: Where to write.
        points: Keep the enhancer's weights at the start and at each validation, as ``point_<iteration>.pth``.
    """

    priority = 'VERY_LOW'

    def __init__(self, folder: Path, points: bool = False) -> None:
        self.folder = folder
        self.points = points
        self._weights = ''

    def before_train(self, runner: Runner) -> None:
        """Digest of the weights and, if wanted, these themselves."""
        if runner.iter == 0:
            self._weights = digest_of(runner.model)
            self._keep_point(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Digest of the first batch, with its references and its order."""
        if runner.iter:
            return
        sha = hashlib.sha256()
        for image, sample in zip(data_batch['inputs'], data_batch['data_samples'], strict=True):
            for tensor in (image, sample.reference.data):
                sha.update(tensor.contiguous().numpy().tobytes())
        write_json(self.folder / 'start.json', dict(weights=self._weights, batch=sha.hexdigest()))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """The figures of a validation."""
        curve = read_curve(self.folder)
        curve[runner.iter] = read_metrics(metrics or {}, 1.0)
        write_json(self.folder / 'curve.json', {str(k): curve[k] for k in sorted(curve)})
        self._keep_point(runner)

    def _keep_point(self, runner: Runner) -> None:
        if self.points:
            file = self.folder / f'point_{runner.iter}.pth'
            part = file.with_name(f'{file.name}.part')
            torch.save(runner.model.enhancer.state_dict(), part)
            os.replace(part, file)


def digest_of(model: nn.Module) -> str:
    """sha256 of all parameters and buffers."""
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def read_curve(folder: Path) -> dict[int, dict[str, float | None]]:
    """Figures by iteration; empty where no validation has been."""
    file = folder / 'curve.json'
    if not file.is_file():
        return {}
    return {int(k): v for k, v in json.loads(file.read_text(encoding='utf-8')).items()}


def write_json(path: Path, content: Any) -> None:
    """Write a file; an earlier one stays whole until this one is."""
    part = path.with_name(f'{path.name}.part')
    part.write_text(json.dumps(content, indent=1, allow_nan=False) + '\n', encoding='utf-8')
    os.replace(part, path)
