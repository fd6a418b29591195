"""One training of the study: its config, its run and its record."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from llv.benchmark.cells import quiet
from llv.engine.gradient_agreement import RECORDS, read_agreement
from llv.engine.settings import RunOptions, build_runner
from llv.engine.upstream import claimed, run_upstreams, separate_runs, upstream_digests
from llv.models.regularizers.pooled_l1_loss import PooledL1Loss
from llv.models.regularizers.sample_relation_loss import SampleRelationLoss
from llv.utils.checkpoint import use_weights_only_loading
from llv.utils.config import load_config

from .judging import gradient_norms, held_batches, held_exposures, judge_module, judge_stages
from .recorder import Recorder, read_curve, write_json
from .study_file import Arm, Point, Study


@dataclass(frozen=True)
class Cell:
    """A training with all that decides its result.

    Attributes:
        point: What it is.
        cfg: Its config with its ``work_dir``.
        digest: sha256 of the config, of all upstream runs and of the cells it looks at.
        plain: The training of the baseline along which a pooled loss is weighed; else None.
        like: Config of the relation it is weighed against; else None.
    """

    point: Point
    cfg: Config
    digest: str
    plain: Cell | None = None
    like: Config | None = None

    @property
    def folder(self) -> Path:
        """Where it is run and kept."""
        return Path(self.cfg.work_dir)

    def record(self) -> dict[str, Any] | None:
        """Its result, None while it is unfinished."""
        file = self.folder / 'result.json'
        return json.loads(file.read_text(encoding='utf-8')) if file.is_file() else None


def plan_cells(study: Study, work_dir: Path, options: RunOptions) -> list[Cell]:
    """The configs of all trainings; what can be wrong in them is found here.

    Raises:
        FileNotFoundError, ValueError: A config does not load, or is no host.
    """
    return [plan_cell(study, point, work_dir, options) for point in study.points()]


def plan_cell(study: Study, point: Point, work_dir: Path, options: RunOptions) -> Cell:
    """The config of one training."""
    cfg = compose(study, point)
    plain = like = None
    content: list[Any] = [cfg.to_dict(), _scenes(cfg)]
    if point.arm.kind == 'pooled':
        twin = study.point(study.baseline, point.seed, batch=point.batch)
        plain = plan_cell(study, twin, work_dir, options)
        relation = study.point(point.arm.like, point.seed, point.alpha, point.batch)
        like = compose(study, relation)
        content += [plain.digest, like.to_dict(), upstream_digests(like, options)]
    content.append(upstream_digests(cfg, options))
    text = json.dumps(content, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    slug = re.sub(r'[^a-z0-9.]+', '-', point.title.replace('α', 'alpha').lower()).strip('-')
    for part in (cfg, like):
        if part is not None:
            part.work_dir = str(work_dir / 'cells' / f'{slug}_{digest[:8]}')
            part.experiment_name = f'{slug}_{digest[:8]}'
    return Cell(point, cfg, digest, plain, like)


def compose(study: Study, point: Point) -> Config:
    """The host with the regulariser of its arm, and what that is built on.

    Raises:
        ValueError: The host or the pretext is none.
    """
    arm, seed = point.arm, point.seed
    seeded = {'randomness.seed': seed}
    own = {**study.options, **seeded, 'train_dataloader.batch_size': point.batch}
    cfg = load_config(study.host, own)
    if cfg.model.get('type') != 'llv.EnhancementModel' or cfg.model.get('regularizer'):
        raise ValueError(
            f'`host` of `{study.path}` must be an `llv.EnhancementModel` without `regularizer`; `{study.host}` is none.'
        )
    if arm.kind == 'relation':
        cfg.model.regularizer = dict(
            type='llv.SampleRelationLoss',
            weights=None,
            loss_weight=point.alpha,
            transformer=arm.transformer,
            seed=seed,
        )
        cfg.upstream = [_module_run(study, arm, seed, point.batch)]
    elif arm.kind == 'pooled':
        cfg.model.regularizer = dict(type='llv.PooledL1Loss', loss_weight=None)  # measured
    agreement = study.agreement
    if agreement and arm.name in agreement.arms and seed in agreement.seeds:
        if point == study.point(arm.name, seed):
            probe = {
                exposure: {**cfg.train_dataloader.dataset, 'subset': 'val', 'exposure': exposure}
                for exposure in ('under', 'over')
            }
            hook = dict(
                type='llv.GradientAgreementHook',
                interval=agreement.interval,
                batches=agreement.batches,
                **probe,
            )
            cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
    return cfg


def _scenes(cfg: Config) -> str:
    """Which scenes there are, wherever they lie."""
    file = Path(cfg.train_dataloader.dataset.data_root, 'dataset.json')
    return file.read_text(encoding='utf-8') if file.is_file() else ''


def _module_run(study: Study, arm: Arm, seed: int, batch: int) -> dict[str, Any]:
    """The upstream that trains the module of an arm; the first stage is the same for all arms of a seed."""
    into = dict(into='model.regularizer.weights', take='checkpoint', prefix='module.')
    first = {**study.reconstruction_options, 'randomness.seed': seed}
    if arm.transformer == 'random':
        links = load_config(study.pretext).get('upstream')
        if not links:
            raise ValueError(
                f'`pretext` of `{study.path}` has no `upstream`; let it name the first stage.'
            )
        return dict(into, config=links[0]['config'], cfg_options=first)
    second = {
        **study.pretext_options,
        'randomness.seed': seed,
        'train_dataloader.batch_size': batch,
        'model.pretext': arm.pretext,
        'upstream.0.cfg_options': first,
    }
    if arm.attention != 'batch':
        second['model.module.attention'] = arm.attention
    return dict(into, config=study.pretext, cfg_options=second)


def run_cell(cell: Cell, options: RunOptions) -> dict[str, Any]:
    """Train and measure, or go on where it stopped.

    Returns:
        Its record, which is then also ``result.json`` in its folder.
    """
    with claimed(cell.folder):
        found = cell.record()
        return _run_cell(cell, options) if found is None else found


def _run_cell(cell: Cell, options: RunOptions) -> dict[str, Any]:
    started = time.monotonic()
    if cell.plain is not None:
        run_cell(cell.plain, options)
    extra: dict[str, Any] = {}
    with quiet(cell.folder / 'output.log'):
        use_weights_only_loading()
        cfg = run_upstreams(cell.cfg, options)
        trained = time.monotonic()
        arm, batch = cell.point.arm, cell.point.batch
        if arm.kind == 'relation':
            extra['module'] = judge_regularizer(cfg, batch)
        elif arm.kind == 'pooled':
            extra['balance'] = balance(cell, run_upstreams(cell.like, options))
            cfg.model.regularizer['loss_weight'] = extra['balance']['loss_weight']
        judged = time.monotonic()
        with separate_runs() as runners:
            runner = build_runner(cfg, options, resume='auto')
            runners.append(runner)
            runner.register_hook(Recorder(cell.folder, points=arm.kind == 'none'))
            runner.train()
            curve = read_curve(cell.folder)
            if runner.iter not in curve:  # stopped between the last step and its validation
                runner.val()
                curve = read_curve(cell.folder)
            parameters = sum(p.numel() for p in runner.model.enhancer.parameters())
            iterations = runner.iter
            del runner
    if (cell.folder / RECORDS).is_file():
        extra['agreement'] = [
            {k: line[k] for k in ('iteration', 'cosine', 'under_norm', 'over_norm')}
            for line in read_agreement(cell.folder)
        ]
    seconds = dict(upstream=trained - started, train=time.monotonic() - judged)
    record = dict(
        cell=cell.point.key,
        config=cell.digest,
        metrics=curve[iterations],
        curve={str(step): figures for step, figures in curve.items()},
        start=json.loads((cell.folder / 'start.json').read_text(encoding='utf-8')),
        iterations=iterations,
        parameters=parameters,
        seconds={name: round(value, 1) for name, value in seconds.items()},
        **extra,
    )
    write_json(cell.folder / 'result.json', record)
    for pattern in ('iter_*.pth', 'epoch_*.pth', 'last_checkpoint'):
        for file in cell.folder.glob(pattern):
            file.unlink()
    return record


def judge_regularizer(cfg: Config, batch: int) -> dict[str, Any]:
    """What the module of a config relates by and, where it was trained, how well.

    Returns:
        See :func:`judge_module`; of a trained one also ``drawn``, the same of its encoder under a transformer as drawn,
        and what :func:`judge_stages` returns.
    """
    options = {k: v for k, v in cfg.model.regularizer.items() if k != 'type'}
    loss = SampleRelationLoss(**options)
    batches = held_batches(cfg, batch, 'test')  # the others' references trained the module
    exposures = held_exposures(cfg, 'test')
    found: dict[str, Any] = judge_module(loss.module, batches, exposures)
    if loss.transformer == 'trained':
        drawn = SampleRelationLoss(**{**options, 'transformer': 'random'})
        found['drawn'] = judge_module(drawn.module, batches, exposures)
        found |= judge_stages(loss.weights, batches)
    return found


def balance(cell: Cell, like: Config) -> dict[str, Any]:
    """The weight at which a pooled loss pulls at the results as hard as the relation does.

    The lengths of both gradients with respect to the result are measured along the training of the seed's baseline, at
    its start and at each validation, on batches of the held-out scenes, and averaged.

    Args:
        cell: Of the pooled loss.
        like: Config of the relation, with its weights.

    Returns:
        ``loss_weight``, and the lengths at weight 1 (``pooled``) and α (``relation``) by iteration.
    """
    cfg = copy.deepcopy(cell.cfg)
    relation = SampleRelationLoss(
        **{k: v for k, v in like.model.regularizer.items() if k != 'type'}
    )
    pooled = PooledL1Loss(grid=cfg.model.regularizer.get('grid', 16), loss_weight=1.0)
    points = sorted(
        cell.plain.folder.glob('point_*.pth'), key=lambda path: int(path.stem.split('_')[1])
    )
    norms = gradient_norms(
        cfg,
        points,
        dict(relation=relation, pooled=pooled),
        held_batches(cfg, cell.point.batch, 'val'),
    )
    weight = statistics.fmean(norms['relation']) / statistics.fmean(norms['pooled'])
    steps = [int(path.stem.split('_')[1]) for path in points]
    return dict(loss_weight=weight, iterations=steps, **norms)
