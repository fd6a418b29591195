"""One training of the study, or one cascade: its config, its run and its record."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from llv.benchmark.cells import quiet, read_metrics
from llv.benchmark.relation.recorder import read_curve, write_json
from llv.engine.settings import RunOptions, build_runner, runner_from
from llv.engine.upstream import claimed, run_upstreams, separate_runs, upstream_digests
from llv.utils.checkpoint import use_weights_only_loading
from llv.utils.config import load_config

from .passes import PLAIN, forward_passes, stretch
from .pulls import held_pictures, pulls
from .start import Start, first_weights
from .study_file import Point, Study

_LOOP = 'llv.PhasedGradientResponseLoop'


@dataclass(frozen=True)
class Cell:
    """A training, or a cascade, with all that decides its result.

    Attributes:
        point: What it is.
        cfg: Its config with its ``work_dir``.
        origin: Config of the host, whose first weights are those of all arms; None for a cascade.
        digest: sha256 of the config, the pictures and all upstream runs.
    """

    point: Point
    cfg: Config
    origin: Config | None
    digest: str

    @property
    def folder(self) -> Path:
        """Where it is run and kept."""
        return Path(self.cfg.work_dir)

    @property
    def weights(self) -> Path:
        """Where the enhancer's last weights are."""
        return self.folder / 'enhancer.pth'

    def record(self) -> dict[str, Any] | None:
        """Its result, None while it is unfinished."""
        file = self.folder / 'result.json'
        return json.loads(file.read_text(encoding='utf-8')) if file.is_file() else None


def plan_cells(study: Study, work_dir: Path, options: RunOptions) -> list[Cell]:
    """The configs of all trainings; what can be wrong in them is found here.

    Raises:
        FileNotFoundError, ValueError: A config does not load, or the host is none.
    """
    hosts = Hosts(study)
    return [plan_cell(study, point, work_dir, options, hosts) for point in study.points()]


def plan_cell(
    study: Study, point: Point, work_dir: Path, options: RunOptions, hosts: Hosts | None = None
) -> Cell:
    """The config of one training, or of a cascade."""
    hosts = hosts or Hosts(study)
    if point.arm in study.cascades:
        cfg, origin = compose_cascade(study, point), None
    else:
        cfg, origin = compose(study, point, hosts), hosts({})
    scenes = Path(study.data, 'dataset.json')
    content = [
        cfg.to_dict(),
        origin.model.to_dict() if origin else None,
        scenes.read_text(encoding='utf-8') if scenes.is_file() else '',
        upstream_digests(cfg, options) if origin is None else [],
    ]
    text = json.dumps(content, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    slug = re.sub(r'[^a-z0-9.]+', '-', point.title.lower()).strip('-')
    cfg.work_dir = str(work_dir / 'cells' / f'{slug}_{digest[:8]}')
    cfg.experiment_name = f'{slug}_{digest[:8]}'
    return Cell(point, cfg, origin, digest)


class Hosts:
    """The host with the options of the study and of an arm, each read once.

    Raises:
        ValueError: It is no host, or the options do not fit it.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._read: dict[str, Config] = {}

    def __call__(self, options: Mapping[str, Any]) -> Config:
        key = json.dumps(options, sort_keys=True, default=str)
        if key not in self._read:
            self._read[key] = _host(self.study, options)
        return copy.deepcopy(self._read[key])


def compose(study: Study, point: Point, hosts: Hosts | None = None) -> Config:
    """The host with what the arm and the decoy change.

    Raises:
        ValueError: The host is none, or options do not fit it.
    """
    arm, decoy = study.arms[point.arm], study.decoys[point.decoy]
    hosts = hosts or Hosts(study)
    cfg = hosts(arm.options)
    if decoy is not None:
        cfg.model.enhancer.scene_loss.decoy = dict(decoy)
    if arm.passes_of is not None:
        whole = hosts(study.arms[arm.passes_of].options)
        stretch(cfg, round(forward_passes(whole.train_cfg) / PLAIN))
    cfg.merge_from_dict({'randomness.seed': point.seed})
    return cfg


def _host(study: Study, options: Mapping[str, Any]) -> Config:
    cfg = load_config(study.host, {**study.options, **options})
    loss = (cfg.model.get('enhancer') or {}).get('scene_loss') or {}
    loop = (cfg.get('train_cfg') or {}).get('type')
    if cfg.model.get('type') != 'llv.EnhancementModel' or loop != _LOOP or not loss:
        raise ValueError(
            f'`host` of `{study.path}` must be an `llv.EnhancementModel` with a `scene_loss`, trained by `{_LOOP}`; '
            f'`{study.host}` is none.'
        )
    if loss.get('decoy') is not None:
        raise ValueError(
            f'`{study.host}` has a decoy already; leave it to `decoys` of `{study.path}`.'
        )
    cfg.merge_from_dict(dict.fromkeys(_roots(cfg), study.data))
    return cfg


def compose_cascade(study: Study, point: Point) -> Config:
    """The config of a cascade, with the seed and the pictures of the study in what it is built of, too.

    Raises:
        ValueError: It trains something itself.
    """
    name = study.cascades[point.arm]
    cfg = load_config(name)
    if cfg.get('train_cfg') is not None:
        raise ValueError(f'`{name}` of `{study.path}` trains; set its `train_cfg` to None.')
    seeded = {'randomness.seed': point.seed}
    cfg.merge_from_dict({**dict.fromkeys(_roots(cfg), study.data), **seeded})
    for link in cfg.get('upstream') or ():
        stage = load_config(link['config'])
        own = study.stage_options.get(Path(link['config']).stem, {})
        link['cfg_options'] = {**dict.fromkeys(_roots(stage), study.data), **own, **seeded}
    return cfg


def _roots(node: Any, place: str = '') -> Iterator[str]:
    """Dotted places of every ``data_root`` of a data set."""
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(node, (Config, Mapping)):
        items = list(node.items())
    elif isinstance(node, (list, tuple)):
        items = list(enumerate(node))
    for key, value in items:
        if key == 'data_root' and place:
            yield f'{place}.{key}'
        yield from _roots(value, f'{place}.{key}' if place else str(key))


def run_cell(cell: Cell, options: RunOptions) -> dict[str, Any]:
    """Train and measure, or go on where it stopped.

    Returns:
        Its record, which is then also ``result.json`` in its folder.
    """
    with claimed(cell.folder):
        found = cell.record()
        return _run_cell(cell, options) if found is None else found


def _run_cell(cell: Cell, options: RunOptions) -> dict[str, Any]:
    with quiet(cell.folder / 'output.log'):
        use_weights_only_loading()
        cfg = run_upstreams(cell.cfg, options)
        with separate_runs() as runners:
            if cell.origin is None:
                runner = runner_from(cfg)
                runners.append(runner)
                found = dict(metrics=read_metrics(runner.test(), 1.0), iterations=0, passes=0)
            else:
                runner = build_runner(cfg, options, resume='auto')
                runners.append(runner)
                found = _train(runner, cell)
            found['parameters'] = sum(
                p.numel() for p in runner.model.enhancer.parameters() if p.requires_grad
            )
            del runner
    record = dict(cell=cell.point.key, config=cell.digest, **found)
    write_json(cell.folder / 'result.json', record)
    for pattern in ('iter_*.pth', 'last_checkpoint'):
        for file in cell.folder.glob(pattern):
            file.unlink()
    return record


def _train(runner: Runner, cell: Cell) -> dict[str, Any]:
    start = Start(cell.folder, first_weights(cell.origin, cell.point.seed))
    runner.register_hook(start)
    # of this process alone, for others may have the machine too
    started = time.process_time()
    runner.train()
    seconds = time.process_time() - started
    curve = read_curve(cell.folder)
    if runner.iter not in curve:  # stopped between the last step and its validation
        runner.val()
        curve = read_curve(cell.folder)
    enhancer = runner.model.enhancer.eval()
    torch.save(enhancer.state_dict(), cell.weights)
    return dict(
        metrics=curve[runner.iter],
        losses=pulls(enhancer, *held_pictures(cell.cfg)),
        start=json.loads((cell.folder / 'start.json').read_text(encoding='utf-8')),
        iterations=runner.iter,
        passes=forward_passes(cell.cfg.train_cfg),
        # of a training that went on where another process stopped, only the rest was timed
        cpu_seconds=None if start.resumed else round(seconds, 1),
    )
