"""One cell of a benchmark: its config, its run and its record."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from llv.apis.strategies import apply_strategy
from llv.engine.hooks import EnhancedVisualizationHook
from llv.engine.settings import RunOptions, build_runner, check_start, runner_from
from llv.engine.upstream import claimed, run_upstreams, separate_runs, upstream_digests
from llv.utils.checkpoint import use_weights_only_loading
from llv.utils.config import load_config

from .fits import fit_control, merge_fit
from .matrix import Arm, Matrix, Point
from .speed import measure_speed

if TYPE_CHECKING:
    from llv.evaluation.detection.curves import Curve

# what metrics of regions say about their regions
_FACTS = ('pixels.', 'brightness.')


@dataclass(frozen=True)
class Cell:
    """A point of the matrix with all that decides its result.

    Attributes:
        point: Where it stands in the matrix.
        cfg: Its config with its ``work_dir``.
        digest: sha256 of the config and of all upstream runs.
    """

    point: Point
    cfg: Config
    digest: str

    @property
    def folder(self) -> Path:
        """Where it is run and kept."""
        return Path(self.cfg.work_dir)

    def record(self) -> dict[str, Any] | None:
        """Its result, None while it is unfinished."""
        file = self.folder / 'result.json'
        return json.loads(file.read_text(encoding='utf-8')) if file.is_file() else None


def plan_cells(matrix: Matrix, work_dir: Path, options: RunOptions) -> list[Cell]:
    """The configs of all cells; everything a user can have wrong in them is found here.

    Raises:
        FileNotFoundError, ValueError: As the parts: a config does not load, an enhancer is unknown, a folder to fit
            to is empty.
    """
    fits = {
        arm.enhancer.name: fit_control(arm.enhancer.fit) for arm in matrix.arms if arm.enhancer.fit
    }
    return [plan_cell(matrix, point, work_dir, options, fits) for point in matrix.points()]


def check_starts(cells: Sequence[Cell]) -> None:
    """Make sure that the checkpoints that unfinished cells start from are there, before anything is trained.

    Raises:
        FileNotFoundError: One is not.
    """
    for cell in cells:
        if cell.record() is not None:
            continue
        try:
            check_start(cell.cfg, 'auto')
        except FileNotFoundError:
            raise FileNotFoundError(
                f'The checkpoint `{cell.cfg.load_from}`, which `{cell.point.title}` starts from, is not there; put it '
                'there, or name another in the matrix, by `options: {load_from: FILE}`.'
            ) from None


def plan_cell(
    matrix: Matrix,
    point: Point,
    work_dir: Path,
    options: RunOptions,
    fits: dict[str, tuple[dict | None, dict]],
) -> Cell:
    """The config of one cell."""
    cfg = compose(matrix, point, fits)
    digests = upstream_digests(cfg, options)
    content = {key: value for key, value in cfg.to_dict().items() if key not in ('upstream',)}
    text = json.dumps([content, digests, matrix.metric], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    slug = re.sub(r'[^a-z0-9.]+', '-', point.title.lower()).strip('-')
    cfg.work_dir = str(work_dir / 'cells' / f'{slug}_{digest[:8]}')
    cfg.experiment_name = f'{slug}_{digest[:8]}'
    return Cell(point, cfg, digest)


def compose(matrix: Matrix, point: Point, fits: dict[str, tuple[dict | None, dict]]) -> Config:
    """Model, enhancer and strategy in one config."""
    arm, seed = point.arm, point.seed
    base, choice, strategy = arm.model, arm.enhancer, arm.strategy
    varied: dict[str, Any] = {}
    for axis in matrix.axes:
        value = point.axes[axis.name]
        varied |= axis.values[value]
        if axis.draw is not None:
            varied[axis.draw['into']] = draw(axis.draw['of'], value, seed)
    own = {**matrix.options, **base.options, **varied, **arm.options}
    seeded = {**matrix.upstream_options, 'randomness.seed': seed}
    cfg = load_config(arm.config or base.config, own)
    for link in _links(cfg):
        options = {**seeded, **(link.get('cfg_options') or {})}
        link['cfg_options'] = _with_links(link['config'], options, seeded)
    if arm.config is not None:
        _check_label(cfg, arm, matrix)
        cfg.merge_from_dict({'randomness.seed': seed})
        return cfg

    enhancer, more = fits.get(choice.name, (choice.enhancer, {}))
    start, recipe = base.start, choice.upstream
    if start is None and strategy == 'zero_shot':
        start_options = _with_links(base.config, {**own, **seeded}, seeded)
    else:
        start_options = _with_links(start, {**base.start_options, **seeded}, seeded)
    cfg = apply_strategy(
        cfg,
        strategy,
        enhancer,
        recipe=recipe,
        recipe_options=_with_links(recipe, {**seeded, **choice.upstream_options}, seeded),
        scene_loss=choice.scene_loss,
        start=start,
        start_options=start_options,
    )
    merge_fit(cfg, more)
    cfg.merge_from_dict({**choice.options, 'randomness.seed': seed})
    return cfg


def _links(cfg: Config) -> list[dict[str, Any]]:
    """The upstream runs that a config names; what is wrong with the others is said where they are planned."""
    found = cfg.get('upstream')
    found = found if isinstance(found, (list, tuple)) else ()
    return [link for link in found if isinstance(link, dict) and link.get('config') is not None]


def _with_links(
    config: str | None,
    options: dict[str, Any],
    seeded: Mapping[str, Any],
    trail: tuple[tuple[str, str], ...] = (),
) -> dict[str, Any]:
    """Options of an upstream run, with `seeded` also for the runs that it builds on itself, and so on."""
    here = (str(config), repr(sorted(options.items())))
    if config is None or here in trail:  # a cycle, which is refused where it is planned
        return options
    found = dict(options)
    cfg = load_config(config, options)
    links = _links(cfg)
    for index, link in enumerate(cfg.get('upstream') or ()):
        if link in links:
            more = {**seeded, **(link.get('cfg_options') or {})}
            more = _with_links(link['config'], more, seeded, (*trail, here))
            found[f'upstream.{index}.cfg_options'] = more
    return found


def _check_label(cfg: Config, arm: Arm, matrix: Matrix) -> None:
    """Raise a ValueError where an arm with a config of its own tells of an enhancer what is not so."""
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    if ('enhancer' in preprocessor) == (arm.enhancer.name == 'none'):
        there = 'has an enhancer' if 'enhancer' in preprocessor else 'has no enhancer'
        raise ValueError(
            f'The arm `{arm.name}` of `{matrix.path}` says `enhancer: {arm.enhancer.name}`, but its config {there}; '
            'say `none` where there is none, and else what it is.'
        )


def draw(of: int, count: int, seed: int) -> list[int]:
    """`count` random whole numbers below `of`; those of a smaller count are among them."""
    return np.random.default_rng([seed, of]).permutation(of)[:count].tolist()


def run_upstream(cell: Cell, index: int, options: RunOptions) -> None:
    """Train one of the runs that a cell builds on, if it is not finished."""
    cfg = copy.deepcopy(cell.cfg)
    cfg.upstream = [cfg.upstream[index]]
    with quiet(cell.folder.parent.parent / 'upstream.log'):
        use_weights_only_loading()
        run_upstreams(cfg, options)


def run_cell(cell: Cell, matrix: Matrix, options: RunOptions) -> dict[str, Any]:
    """Train and measure a cell, or go on where it stopped.

    Returns:
        Its record, which is then also ``result.json`` in its folder.
    """
    with claimed(cell.folder):
        found = cell.record()
        return _run_cell(cell, matrix, options) if found is None else found


def _run_cell(cell: Cell, matrix: Matrix, options: RunOptions) -> dict[str, Any]:
    started = time.monotonic()
    with quiet(cell.folder / 'output.log'):
        use_weights_only_loading()
        cfg = run_upstreams(cell.cfg, options)
        trains = cfg.get('train_cfg') is not None
        with separate_runs() as runners:
            if trains:
                runner = build_runner(cfg, options, resume='auto')
                runners.append(runner)
                runner.train()
            else:
                runner = runner_from(cfg)
                runners.append(runner)
            record = measure_cell(runner, cell, matrix)
            record['iterations'] = runner.iter if trains else 0
            del runner
    record['minutes'] = round((time.monotonic() - started) / 60, 3)
    record = dict(cell=cell.point.cell, config=cell.digest, **record)
    part = cell.folder / 'result.json.part'
    part.write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')
    os.replace(part, cell.folder / 'result.json')
    # the figures stay; what could be trained again would fill disks
    for pattern in ('iter_*.pth', 'epoch_*.pth', 'last_checkpoint'):
        for file in cell.folder.glob(pattern):
            file.unlink()
    return record


def measure_cell(runner: Runner, cell: Cell, matrix: Matrix) -> dict[str, Any]:
    """Test a runner's model, measure its size and speed, and draw some pictures at the first seed."""
    pictures = cell.folder / 'pictures'
    if matrix.pictures and cell.point.seed == matrix.seeds[0]:
        hook = EnhancedVisualizationHook(pictures, count=matrix.pictures, maps=())
        runner.register_hook(hook)
    metrics = read_metrics(runner.test(), matrix.scale)
    if matrix.metric not in metrics:
        raise ValueError(
            f'`metric` of `{matrix.path}` is `{matrix.metric}`, but its evaluator gives '
            + ', '.join(f'`{key}`' for key in metrics)
            + '.'
        )
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    record: dict[str, Any] = dict(metrics=metrics)
    if matrix.speed:
        record |= measure_speed(model, next(iter(runner.test_dataloader)))
    curves = _curves(runner)
    if curves:
        # needs mmdet, which whoever has curves has
        from llv.evaluation.detection.curves import write_curves

        write_curves(cell.folder / 'curves.json', 'pr', cell.point.title, curves)
        record['curves'] = 'curves.json'
    if pictures.is_dir():
        files = sorted(file for file in pictures.rglob('*') if file.is_file())
        record['pictures'] = [file.relative_to(cell.folder).as_posix() for file in files]
    return record


def read_metrics(found: Mapping[str, Any], scale: float) -> dict[str, float | None]:
    """The figures among what evaluators return, as a record has them.

    Args:
        found: Figures by name, those of NumPy among them. A prefix (``coco/bbox_mAP``) goes, unless two have one name
            without it.
        scale: Factor of all but what says where a region is (``pixels.…``, ``brightness.…``).

    Returns:
        None stands for what is no finite number: JSON has none.
    """
    short = {key: key.rpartition('/')[2] for key in found}
    counts = Counter(short.values())
    metrics = {}
    for key, value in found.items():
        name = short[key]
        if not isinstance(value, Real) or name in ('time', 'data_time'):
            continue
        value = float(value) * (1.0 if name.startswith(_FACTS) else scale)
        metrics[name if counts[name] == 1 else key] = value if math.isfinite(value) else None
    return metrics


def _curves(runner: Runner) -> dict[str, Curve]:
    """Precision-recall curves of the first metric that has them: by class at its first threshold, or by name."""
    for metric in runner.test_loop.evaluator.metrics:
        found = getattr(metric, 'curves', None)
        if not isinstance(found, dict) or not found:
            continue
        first = next(iter(found.values()))
        curves = first if isinstance(first, dict) else found
        return {name: curve for name, curve in curves.items() if curve.ap is not None}
    return {}


@contextlib.contextmanager
def quiet(file: Path) -> Iterator[None]:
    """The output of a run goes to a file, also that of the loggers that are there already."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, 'a', encoding='utf-8') as stream, contextlib.ExitStack() as stack:
        for logger in MMLogger._instance_dict.values():
            for handler in logger.handlers:
                if getattr(handler, 'stream', None) in (sys.stdout, sys.stderr):
                    stack.callback(handler.setStream, handler.stream)
                    handler.setStream(stream)
        stack.enter_context(contextlib.redirect_stdout(stream))
        stack.enter_context(contextlib.redirect_stderr(stream))
        yield


def use_threads(count: int) -> None:
    """Give a worker its share of the cores."""
    torch.set_num_threads(count)
