"""What the demo trains and measures: one arm a row of its table."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

from llv.apis import plug_enhancer
from llv.engine.settings import RunOptions, build_runner, runner_from
from llv.engine.upstream import run_upstreams, separate_runs
from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.enhancers import fit_fixed_gain
from llv.utils.config import load_config
from llv.utils.pictures import read_picture, to_tensor, write_picture

CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / 'night_scenes'
SCORE_THRESHOLD = 0.3  # of the boxes in the gallery; the metrics count boxes of any score


@dataclass(frozen=True)
class Settings:
    """Sizes of a demo.

    Attributes:
        train, unlabelled, val: Scenes of each split; `train` is labelled by day.
        labelled: Night pictures of the training scenes whose labels are used.
        day_iterations, enhancer_iterations, night_iterations: Training lengths.
        enough: AP50 by day below which the rest means nothing.
        gallery: Validation scenes in the gallery.
    """

    train: int = 1500
    unlabelled: int = 400
    val: int = 250
    labelled: int = 48
    day_iterations: int = 1000
    enhancer_iterations: int = 800
    night_iterations: int = 150
    enough: float = 0.3
    gallery: int = 6


TINY = Settings(16, 8, 6, 8, 6, 10, 6, enough=0.0, gallery=2)


@dataclass(frozen=True)
class Arm:
    """One row of the table.

    Attributes:
        key: Name of its folder.
        name: What the table calls it.
        strategy: As in ``configs/_base_/strategies``.
        config: File in ``configs/night_scenes``.
        enhancer: Class name of its enhancer, or None.
        plug: Whether the config has no enhancer yet and gets it from :func:`llv.apis.plug_enhancer`.
        trains: Whether it is trained on the labelled night pictures.
        light: ``night`` or ``day``, of the pictures it is measured on.
    """

    key: str
    name: str
    strategy: str
    config: str
    enhancer: str | None = None
    plug: bool = False
    trains: bool = False
    light: str = 'night'


ARMS = (
    Arm(
        key='day',
        name='day pictures',
        strategy='detector_only',
        config='ssd-small_day.py',
        light='day',
    ),
    Arm(
        key='zero-shot',
        name='night pictures as they are',
        strategy='zero_shot',
        config='ssd-small_night.py',
    ),
    Arm(
        key='zero-shot_fixed-gain',
        name='behind FixedGain',
        strategy='zero_shot',
        config='ssd-small_night.py',
        enhancer='FixedGain',
        plug=True,
    ),
    Arm(
        key='zero-shot_mean-match',
        name='behind MeanMatch',
        strategy='zero_shot',
        config='ssd-small_night.py',
        enhancer='MeanMatch',
        plug=True,
    ),
    Arm(
        key='zero-shot_ruas',
        name='behind RUAS',
        strategy='zero_shot',
        config='ssd-small_night_ruas_zero-shot.py',
        enhancer='RUAS',
    ),
    Arm(
        key='direct',
        name='directly',
        strategy='detector_only',
        config='ssd-small_night_detector-only.py',
        trains=True,
    ),
    Arm(
        key='mean-match',
        name='behind MeanMatch',
        strategy='frozen',
        config='ssd-small_night_mean-match.py',
        enhancer='MeanMatch',
        trains=True,
    ),
    Arm(
        key='hierarchical',
        name='hierarchically with RUAS',
        strategy='hierarchical',
        config='ssd-small_night_ruas_hierarchical.py',
        enhancer='RUAS',
        trains=True,
    ),
)


class Workshop:
    """Builds the configs of the arms and runs them.

    Args:
        settings: Sizes.
        data: Folder of the night scenes.
        work_dir: Folder of the demo.
    """

    def __init__(self, settings: Settings, data: Path, work_dir: Path) -> None:
        self.settings = settings
        self.data = data
        self.work_dir = work_dir
        self.options = RunOptions(upstream_dir=str(work_dir / 'upstream'))
        self.scenes = json.loads((data / 'dataset.json').read_text(encoding='utf-8'))
        self.controls: dict[str, dict] = {}

    def fit_controls(self) -> None:
        """Fit FixedGain and MeanMatch on pictures without labels: night pictures and, of other scenes, day pictures."""
        count = self.settings.unlabelled
        night = sorted((self.data / 'unlabelled' / 'night').glob('*.png'))[:count]
        day = sorted((self.data / 'train' / 'day').glob('*.png'))[:count]
        # a picture of one pixel has the same mean
        dark, lit = (
            [to_tensor(read_picture(f)).mean((1, 2), keepdim=True) for f in fs]
            for fs in (night, day)
        )
        gain = fit_fixed_gain(dark, lit)
        target = torch.stack(lit).mean(0).flatten()
        self.controls = dict(
            FixedGain=dict(type='llv.FixedGain', gain=[round(g, 4) for g in gain.tolist()]),
            MeanMatch=dict(type='llv.MeanMatch', target=[round(t, 4) for t in target.tolist()]),
        )

    def prepare(self, arm: Arm) -> dict[str, str]:
        """Train what an arm builds on, unless that is finished; the folder of each by the name of its config."""
        cfg = self._config(arm, seed=0)
        upstream = [Path(link.config).stem for link in cfg.upstream]
        cfg = run_upstreams(cfg, self.options)
        results = [cfg.load_from]
        if len(upstream) > 1:
            results.append(cfg.model.data_preprocessor.enhancer.weights)
        return dict(zip(upstream, (str(Path(file).parent) for file in results), strict=True))

    def run(self, arm: Arm, seed: int) -> dict[str, Any]:
        """Train and evaluate an arm.

        Returns:
            Its record, which is also ``result.json`` in its folder; ``reused`` tells whether it was there.
        """
        folder = self.folder(arm, seed)
        cfg = self._config(arm, seed)
        cfg.work_dir = str(folder)
        cfg.experiment_name = f'demo_{arm.key}_{seed}'
        cfg = run_upstreams(cfg, self.options)
        # holds the names of the upstream folders, which stand for how their results were made
        content = json.dumps(cfg.to_dict(), sort_keys=True, default=str)
        digest = hashlib.sha256(content.encode()).hexdigest()
        record = folder / 'result.json'
        if record.is_file():
            found = json.loads(record.read_text(encoding='utf-8'))
            if found['config'] == digest:
                return found | dict(reused=True)
        if folder.exists():
            shutil.rmtree(folder)
        started = time.monotonic()
        with separate_runs() as runners:
            if arm.trains:
                runner = build_runner(cfg, self.options)
                runners.append(runner)
                runner.train()
            else:
                runner = runner_from(cfg)
                runners.append(runner)
            metrics = runner.test()
            gallery = self._draw(runner, folder / 'gallery')
            del runner
        result = dict(
            config=digest,
            seed=seed,
            trained_iterations=self.settings.night_iterations if arm.trains else 0,
            # mmdet leaves them out where nothing at all was found
            mAP=max(float(metrics.get('coco/bbox_mAP', 0)), 0.0),
            AP50=max(float(metrics.get('coco/bbox_mAP_50', 0)), 0.0),
            minutes=round((time.monotonic() - started) / 60, 3),
            gallery=gallery,
        )
        write_json(record, result)
        return result | dict(reused=False)

    def folder(self, arm: Arm, seed: int) -> Path:
        """Work folder of an arm; what is not trained has no seeds."""
        return self.work_dir / arm.key / f'seed_{seed}' if arm.trains else self.work_dir / arm.key

    def gallery_indices(self) -> list[int]:
        """Scenes spread evenly over the validation split: not chosen by what comes out."""
        count = self.scenes['splits']['val']
        return (
            np.linspace(0, count - 1, min(self.settings.gallery, count))
            .round()
            .astype(int)
            .tolist()
        )

    def scene(self, index: int) -> tuple[np.ndarray, np.ndarray, list[dict]]:
        """Night picture and day picture, (H, W, 3) RGB uint8, and the true boxes of a validation scene."""
        file = f'{index:06d}.png'
        annotations = json.loads(
            (self.data / 'annotations' / 'val_day.json').read_text(encoding='utf-8')
        )
        names = {category['id']: category['name'] for category in annotations['categories']}
        image = next(image['id'] for image in annotations['images'] if image['file_name'] == file)
        boxes = [
            dict(label=names[a['category_id']], box=[x, y, x + w, y + h])
            for a in annotations['annotations']
            for x, y, w, h in [a['bbox']]
            if a['image_id'] == image
        ]
        night, day = (read_picture(self.data / 'val' / light / file) for light in ('night', 'day'))
        return night, day, boxes

    def _config(self, arm: Arm, seed: int) -> Config:
        s = self.settings
        cfg = load_config(CONFIGS / arm.config)
        if not arm.trains:
            for key in ('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'):
                cfg[key] = None
        cfg.merge_from_dict(
            self._detector_options(arm.light, arm.trains) | {'randomness.seed': seed}
        )
        if arm.trains:
            cfg.merge_from_dict(
                _length(s.night_iterations) | {'train_dataloader.dataset.indices': s.labelled}
            )
        # so that other pictures count as another run
        cfg.night_scenes = dict(self.scenes['settings'], val=self.scenes['splits']['val'])
        if arm.plug:
            cfg = plug_enhancer(cfg, self.controls[arm.enhancer], frozen=True)
        elif arm.enhancer in self.controls:
            cfg.model.data_preprocessor.enhancer.update(self.controls[arm.enhancer])
        if not cfg.get('upstream'):
            cfg.upstream = [
                dict(config=str(CONFIGS / 'ssd-small_day.py'), into='load_from', prefix='')
            ]
        for link in cfg.upstream:
            link['cfg_options'] = self._upstream_options(Path(link['config']).stem)
        return cfg

    def _upstream_options(self, name: str) -> dict[str, Any]:
        s = self.settings
        if name == 'ssd-small_day':
            options = self._detector_options('day', trains=True) | _length(s.day_iterations)
            options['train_dataloader.dataset.indices'] = s.train
        else:
            options = {
                'train_cfg.max_iters': s.enhancer_iterations,
                'train_cfg.val_interval': s.enhancer_iterations,
                'default_hooks.logger.interval': max(1, min(20, s.enhancer_iterations // 3)),
                'train_dataloader.dataset.data_root': f'{self.data}/',
                'train_dataloader.dataset.indices': s.unlabelled,
            }
        return options | dict(night_scenes=dict(self.scenes['settings']))

    def _detector_options(self, light: str, trains: bool) -> dict[str, Any]:
        options: dict[str, Any] = {
            f'{part}_dataloader.dataset.data_root': f'{self.data}/'
            for part in (('train', 'test') if trains else ('test',))
        }
        options['test_evaluator.ann_file'] = f'{self.data}/annotations/val_{light}.json'
        # every arm is measured once, at its end, by the test loop
        return options | dict(val_cfg=None, val_dataloader=None, val_evaluator=None)

    def _draw(self, runner: Runner, folder: Path) -> list[dict[str, Any]]:
        """What the detector saw and found in the scenes of the gallery."""
        model = runner.model.eval()
        preprocessor = model.data_preprocessor
        enhanced = isinstance(preprocessor, EnhancedDataPreprocessor)
        if enhanced:
            preprocessor.keep_pictures = True
        dataset = runner.test_dataloader.dataset
        names = dataset.metainfo['classes']
        drawn = []
        for index in self.gallery_indices():
            batch = pseudo_collate([dataset[index]])
            file = folder / Path(batch['data_samples'][0].img_path).name
            with torch.no_grad():
                sample = model.test_step(batch)[0]
            if enhanced:
                write_picture(file, sample.enhanced.data.permute(1, 2, 0).cpu().numpy())
            found = sample.pred_instances[sample.pred_instances.scores >= SCORE_THRESHOLD].cpu()
            boxes = [
                dict(label=names[label], box=[round(x, 1) for x in box], score=round(score, 3))
                for box, label, score in zip(
                    *(found[key].tolist() for key in ('bboxes', 'labels', 'scores')), strict=True
                )
            ]
            shown = str(file.relative_to(self.work_dir)) if enhanced else None
            drawn.append(dict(index=index, enhanced=shown, boxes=boxes))
        return drawn


def write_json(path: Path, content: Any) -> None:
    """Write a file that is whole or not there."""
    part = path.with_name(f'{path.name}.part')
    part.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    os.replace(part, path)


def _length(iterations: int) -> dict[str, Any]:
    return {
        'train_cfg.max_iters': iterations,
        'train_cfg.val_interval': iterations,
        'param_scheduler.1.T_max': iterations,
        'default_hooks.logger.interval': max(1, min(20, iterations // 3)),
    }
