"""The predictions of a model behind one enhancer: found once, kept in a file, taken from it the next time."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import utils as mmengine_device
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner

from llv.apis.enhancers import enhancer_config
from llv.apis.plug import plug_enhancer
from llv.benchmark.cells import quiet
from llv.benchmark.speed import now
from llv.engine.settings import runner_from, stop_workers
from llv.engine.upstream import claimed, separate_runs
from llv.models.enhancers import published
from llv.utils.checkpoint import use_weights_only_loading
from llv.utils.downloads import sha256_of
from llv.version import __version__

from .choices import NONE, Choice
from .darkness import mean_luminance
from .detections import Boxes
from .label_maps import CountedPictures, count_pixels
from .picture_sets import PictureSet

# settings of a loader that change no picture
_HOW_TO_LOAD = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')
# of a model's tensors, how many a checkpoint must hold to be its own
_OWN = 0.5


@dataclass(frozen=True)
class Predictions:
    """What a model found behind one enhancer.

    Attributes:
        arrays: ``luminance`` (N,), ``milliseconds`` a picture (batches,), and for a detector ``counts`` (N,), ``boxes``
            (D, 4) left, top, width, height, ``labels`` and ``scores`` (D,); for a segmentor ``pixels`` (N, 3, K).
    """

    arrays: Mapping[str, np.ndarray]

    @property
    def milliseconds(self) -> float:
        """Median time a picture, of preprocessor (with the enhancer) and model, without loading."""
        return float(np.median(self.arrays['milliseconds']))

    def boxes(self) -> list[Boxes]:
        """What was found in each picture."""
        ends = np.cumsum(self.arrays['counts'])[:-1]
        columns = (np.split(self.arrays[key], ends) for key in ('boxes', 'labels', 'scores'))
        return [Boxes(*row) for row in zip(*columns, strict=True)]

    def pixels(self) -> CountedPictures:
        """Counts of pixels of each picture."""
        return CountedPictures(*np.moveaxis(self.arrays['pixels'].astype(np.float64), 1, 0))


@dataclass(frozen=True)
class Arm:
    """A model behind one enhancer, ready to run.

    Attributes:
        choice: The enhancer.
        cfg: Config with checkpoint and ``work_dir``.
    """

    choice: Choice
    cfg: Config

    @property
    def file(self) -> Path:
        """Where its predictions are kept."""
        return Path(self.cfg.work_dir, 'predictions.npz')

    def kept(self) -> Predictions | None:
        """Its predictions, None while there are none."""
        if not self.file.is_file():
            return None
        with np.load(self.file, allow_pickle=False) as arrays:
            return Predictions(dict(arrays))


def plan_arms(
    cfg: Config, checkpoint: Path, choices: Sequence[Choice], pictures: PictureSet, work_dir: Path
) -> list[Arm]:
    """The config of each arm, in a folder that only the same model, enhancer and pictures have.

    Raises:
        ValueError: The model has no place for an enhancer.
    """
    base = copy.deepcopy(cfg)
    base.load_from, base.resume = str(checkpoint), False
    # what is measured is reckoned from the predictions, and pictures are another tool's matter
    base.test_evaluator, base.test_dataloader = [], pictures.loader
    base.test_cfg = base.get('test_cfg') or dict(type='TestLoop')
    base.pop('visualizer', None)
    hooks = base.get('default_hooks') or {}
    base.default_hooks = {k: v for k, v in hooks.items() if k != 'visualization'}
    base.pop('upstream', None)
    content = dict(
        version=__version__,
        checkpoint=sha256_of(checkpoint),
        loader={k: v for k, v in pictures.loader.items() if k not in _HOW_TO_LOAD},
        classes=pictures.classes,
        source=pictures.source,
        files=[_stamp(path) for path in pictures.files()],
        ignored=pictures.ignore_index,
    )
    arms = []
    for choice in choices:
        plugged, weights = copy.deepcopy(base), None
        if choice.name != NONE:
            given = (choice.name, choice.weights)
            plugged = plug_enhancer(base, *given, frozen=True, **choice.options)
            weights = _weights_digest(enhancer_config(*given, **choice.options).get('weights'))
        text = json.dumps(
            dict(content, model=plugged.model.to_dict(), weights=weights),
            sort_keys=True,
            default=str,
        )
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        slug = re.sub(r'[^a-z0-9.]+', '-', choice.text.lower()).strip('-')[-60:]
        plugged.work_dir = str(work_dir / f'{slug}_{digest}')
        plugged.experiment_name = f'{slug}_{digest}'
        arms.append(Arm(choice, plugged))
    return arms


def _stamp(path: str) -> tuple[str, int, int]:
    status = os.stat(path)
    return path, status.st_size, status.st_mtime_ns


def _weights_digest(weights: str | None) -> str | None:
    if weights is None:
        return None
    row = published.find(weights)
    return sha256_of(weights if row is None else published.fetch(row))


def run_arm(arm: Arm, pictures: PictureSet, step: Callable[[int], None]) -> Predictions:
    """Predict, and keep what was predicted; or take it from an earlier run.

    Args:
        arm: As planned.
        pictures: What it sees.
        step: Called with the number of pictures after each batch.

    Raises:
        ValueError: The checkpoint is not that of the model, or the loader does not keep the order of the set.
    """
    with claimed(Path(arm.cfg.work_dir)):
        kept = arm.kept()
        if kept is not None:
            return kept
        keeper = _Keeper(pictures, _channel_order(arm.cfg), step)
        with quiet(Path(arm.cfg.work_dir, 'output.log')), separate_runs() as runners:
            use_weights_only_loading()
            runner = runner_from(arm.cfg)
            runners.append(runner)
            runner.register_hook(_CheckpointFits(arm.cfg.load_from))
            runner._test_dataloader = dict(pictures.loader, dataset=pictures.dataset)
            runner._test_evaluator = Evaluator([keeper])
            keeper.time(runner)
            runner.test()
            stop_workers(runner)
            del runner
        part = arm.file.with_suffix('.part')
        with open(part, 'wb') as stream:
            np.savez_compressed(stream, **keeper.arrays())
        os.replace(part, arm.file)
    return arm.kept()


def _channel_order(cfg: Config) -> str:
    """The order in which the loader hands colours over, as ``llv.EnhancedDataPreprocessor`` reads it."""
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    base = preprocessor.get('base', preprocessor)
    return 'rgb' if base.get('rgb_to_bgr') else 'bgr'


class _Keeper(BaseMetric):
    """Keeps what is needed of each prediction, and how long it took."""

    default_prefix = 'kept'

    def __init__(
        self, pictures: PictureSet, channel_order: str, step: Callable[[int], None]
    ) -> None:
        super().__init__()
        self._pictures, self._order, self._step = pictures, channel_order, step
        self._paths = pictures.paths
        self._luminance: list[float] = []
        self._milliseconds: list[float] = []
        self._columns: dict[str, list[np.ndarray]] = {}

    def time(self, runner: Runner) -> None:
        """Let the runner's model tell how long each batch takes."""
        plain = runner.model.test_step
        device = next(runner.model.parameters()).device

        def timed(batch: Mapping[str, Any]) -> Any:
            start = now(device)
            found = plain(batch)
            self._milliseconds.append(1e3 * (now(device) - start) / len(batch['inputs']))
            return found

        runner.model.test_step = timed

    def process(self, data_batch: Mapping[str, Any], data_samples: Sequence[dict]) -> None:
        """Keep a batch."""
        for index, sample in enumerate(data_samples):
            place = len(self._luminance)
            path = sample.get('img_path', self._paths[place])
            if path != self._paths[place]:
                raise ValueError(
                    f'The test loader gives `{path}` where the set has `{self._paths[place]}`; set `shuffle=False` in '
                    'the sampler of `test_dataloader`.'
                )
            given = data_batch['data_samples'][index].metainfo
            picture = data_batch['inputs'][index]
            self._luminance.append(mean_luminance(picture, given, self._order))
            columns = self._counts(sample) if self._pictures.segments else self._found(sample)
            for name, column in columns.items():
                self._columns.setdefault(name, []).append(column)
        self.results += [0] * len(data_samples)
        self._step(len(data_samples))

    def _found(self, sample: Mapping[str, Any]) -> dict[str, np.ndarray]:
        from llv.evaluation.detection.samples import instances

        boxes, labels, scores = instances(sample, 'pred_instances', ('bboxes', 'labels', 'scores'))
        classes = len(self._pictures.classes)
        if len(labels) and labels.max() >= classes:
            raise ValueError(
                f'The model finds objects of class {labels.max()}, but the set has the classes 0 to {classes - 1}; '
                'use the config that the checkpoint was trained with.'
            )
        # in double precision, as mmdet hands boxes to pycocotools
        boxes = boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        return dict(
            counts=np.array([len(labels)]), boxes=boxes, labels=labels, scores=scores.astype(float)
        )

    def _counts(self, sample: Mapping[str, Any]) -> dict[str, np.ndarray]:
        from llv.evaluation.segmentation.samples import prediction_and_label

        predicted, label = (part.cpu().numpy() for part in prediction_and_label(sample))
        pictures = self._pictures
        counts = count_pixels(predicted, label, len(pictures.classes), pictures.ignore_index)
        return dict(pixels=counts[None])

    def compute_metrics(self, results: list) -> dict[str, float]:
        """None; figures are reckoned from :meth:`arrays`."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """As :class:`Predictions` has them."""
        return dict(
            luminance=np.array(self._luminance),
            milliseconds=np.array(self._milliseconds),
            **{name: np.concatenate(columns) for name, columns in self._columns.items()},
        )


class _CheckpointFits(Hook):
    """Refuse a checkpoint of another model, which mmengine loads as far as it goes."""

    def __init__(self, file: str) -> None:
        self._file = file

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare its tensors with the model's."""
        theirs = checkpoint.get('state_dict', checkpoint)
        theirs = {name.removeprefix('module.'): value for name, value in theirs.items()}
        own = {
            name: value
            for name, value in runner.model.state_dict().items()
            if not name.startswith('data_preprocessor.')
        }
        wrong = [n for n, v in own.items() if n in theirs and theirs[n].shape != v.shape]
        if wrong:
            raise ValueError(
                f'The checkpoint `{self._file}` is of another model or other classes ({len(wrong)} tensors have '
                f'another shape, first `{wrong[0]}`); use the config that it was trained with.'
            )
        if sum(name in theirs for name in own) < _OWN * len(own):
            raise ValueError(
                f'The checkpoint `{self._file}` holds another model than the config; use the config that it was '
                'trained with.'
            )


@contextlib.contextmanager
def on_device(name: str | None) -> Iterator[None]:
    """Let mmengine use a device, which it otherwise chooses by itself.

    Args:
        name: ``'cpu'``, ``'cuda'``, ``'cuda:1'`` …; None leaves the choice.

    Raises:
        ValueError: There is no such device.
    """
    if name is None:
        yield
        return
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f'The device `{name}` is not available on this machine; choose another one, such as `cpu`.'
        ) from error
    before = mmengine_device.DEVICE
    mmengine_device.DEVICE = device.type
    try:
        if device.type == 'cuda' and device.index is not None:
            torch.cuda.set_device(device)
        yield
    finally:
        mmengine_device.DEVICE = before
