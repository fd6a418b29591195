"""Runs that another run builds on: an enhancer trained beforehand, a detector to start from, a searched architecture.

A config lists them under ``upstream``::

    upstream = [
        dict(
            config='llv::ruas/ruas_night.py',              # or a path
            into='model.data_preprocessor.enhancer.weights',
            take='checkpoint',                             # or 'genotype'
            prefix='enhancer.',
            cfg_options={'train_cfg.max_iters': 500},
        )
    ]

A search gives a genotype (``take='genotype'``), the dictionary itself, so that dumped configs stand by themselves;
``into`` may then name several places, of which each module takes the part that is its own::

    upstream = [
        dict(
            config='llv::night_scenes/search/….py',
            take='genotype',
            into=['model.data_preprocessor.enhancer.scene_genotype', 'model.neck.genotype'],
        )
    ]

They run in the same process, in order, before the main runner is built. Each has a folder named after its resolved
config, so a finished one is taken as it is, an unfinished one resumed, and one whose settings changed trained anew.
What the folder's name does not see is the data on disk and the code.
"""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.logging import MessageHub, MMLogger, print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from llv.engine.loops.search_result import found_genotype
from llv.engine.settings import RunOptions, build_runner, stop_workers
from llv.search.searchable import searchable_modules
from llv.utils.checkpoint import load_checkpoint
from llv.utils.config import load_config

try:
    import fcntl
except ImportError:  # Windows, where runs that share a folder are not kept apart
    fcntl = None

# what says where and how a run is done, not what it computes
_PLACES = ('work_dir', 'upstream_dir', 'launcher', 'resume', 'upstream')
_DEFAULTS = dict(
    into='model.data_preprocessor.enhancer.weights',
    take='checkpoint',
    prefix='enhancer.',
    cfg_options=None,
)


@dataclass
class _Link:
    """One upstream run, planned."""

    name: str
    cfg: Config
    into: list[str]
    take: str
    prefix: str
    links: list[_Link]
    sha: str

    @property
    def folder_name(self) -> str:
        return f'{Path(self.cfg.filename).stem}_{self.sha[:8]}'


def run_upstreams(cfg: Config, options: RunOptions) -> Config:
    """Run what a config builds on.

    All configs of the chain are read and checked before the first training starts.

    Args:
        cfg: Config with its ``work_dir``; not changed.
        options: As given on the command line; they hold for the whole chain.

    Returns:
        The config with the results in their places and without ``upstream``, so that its dump stands by itself.

    Raises:
        FileNotFoundError, ValueError: An entry of ``upstream`` is wrong, the chain closes to a cycle, or a
            finished result was changed.
    """
    cfg = copy.deepcopy(cfg)
    _run(cfg, _plan(cfg, options, ()), options)
    return cfg


def upstream_digests(cfg: Config, options: RunOptions) -> list[str]:
    """What stands for each upstream run of a config with all its settings; nothing is run.

    Args, raises: as :func:`run_upstreams`.
    """
    return [link.sha for link in _plan(copy.deepcopy(cfg), options, ())]


def _plan(cfg: Config, options: RunOptions, trail: tuple[tuple[str, str], ...]) -> list[_Link]:
    """Read the configs of the whole chain."""
    entries = cfg.get('upstream') or []
    if not isinstance(entries, (list, tuple)):
        raise ValueError(
            '`upstream` must be a list of dictionaries; put brackets around the one that is there.'
        )
    trail = (*trail, (str(cfg.filename), _digest(cfg.to_dict(), skip=_PLACES[:-1])))
    return [_plan_link(cfg, index, entry, options, trail) for index, entry in enumerate(entries)]


def _plan_link(
    cfg: Config, index: int, entry: dict, options: RunOptions, trail: tuple[tuple[str, str], ...]
) -> _Link:
    place = f'upstream[{index}]'
    unknown = set(entry) - set(_DEFAULTS) - {'config'}
    if unknown:
        raise ValueError(
            f'`{place}` has the unknown key `{sorted(unknown)[0]}`; known are `config`, '
            + ', '.join(f'`{key}`' for key in _DEFAULTS)
            + '.'
        )
    if entry.get('config') is None:
        raise ValueError(
            f'`{place}.config` is not set; name the config of the run that comes first, for instance with '
            f'`--cfg-options upstream.{index}.config=llv::…`.'
        )
    entry = {**_DEFAULTS, **entry}
    if entry['take'] not in ('checkpoint', 'genotype'):
        raise ValueError(
            f'`{place}.take` must be `checkpoint` or `genotype`, but got `{entry["take"]}`.'
        )
    into = entry['into']
    into = [into] if isinstance(into, str) else list(into)
    if len(into) != 1 and entry['take'] != 'genotype':
        raise ValueError(
            f'`{place}.into` must be one place for `take={entry["take"]!r}`, but got {into}; give each its own entry.'
        )
    if not into:
        raise ValueError(f'`{place}.into` is empty; name the place of the result in the config.')
    for path in into:
        _parent(cfg, path, place)
    name = str(entry['config'])
    upstream = options.applied_to(load_config(name, entry['cfg_options']))
    if upstream.get('train_cfg') is None:
        raise ValueError(
            f'`{name}` of `{place}` trains nothing (`train_cfg` is None); name a config that does.'
        )
    identity = _digest(upstream.to_dict(), skip=_PLACES[:-1])
    if identity in (digest for _, digest in trail):
        chain = ' → '.join(Path(file).name for file, _ in (*trail, (upstream.filename, '')))
        raise ValueError(
            f'The upstream runs close to a cycle ({chain}); take `upstream` out of one of them.'
        )
    links = _plan(upstream, options, trail)
    content = dict(
        config=_digest(upstream.to_dict(), skip=_PLACES),
        amp=options.amp,
        take=(entry['take'], entry['prefix']),
        links=[(link.sha, ', '.join(link.into), link.take, link.prefix) for link in links],
    )
    return _Link(name, upstream, into, entry['take'], entry['prefix'], links, _digest(content))


def _run(cfg: Config, links: list[_Link], options: RunOptions) -> None:
    """Put the results of the links into a config, training those that are not finished."""
    shared = options.upstream_dir or cfg.get('upstream_dir')
    folders = Path(shared) if shared else Path(cfg.work_dir, 'upstream')
    for index, link in enumerate(links):
        folder = _folder(folders.expanduser().resolve(), index, link)
        with claimed(folder):
            value = _finished(folder, link)
            if value is None:
                print_log(
                    f'Upstream {index + 1} of {len(links)}: {link.name} in {folder}', 'current'
                )
                _train(link, folder, options)
                value = _finished(folder, link)
            else:
                print_log(
                    f'Upstream {index + 1} of {len(links)}: {link.name} is finished in {folder}',
                    'current',
                )
        for path in link.into:
            place = _parent(cfg, path, f'upstream[{index}]')
            key = path.split('.')[-1]
            place[int(key) if isinstance(place, list) else key] = value
    cfg.pop('upstream', None)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other runs on this machine out of a folder, which they may share, until its result is there."""
    claim = None
    if is_main_process():
        folder.mkdir(parents=True, exist_ok=True)
        claim = open(folder / 'claim', 'a', encoding='utf-8')  # noqa: SIM115
        if fcntl is not None:
            # waits; the system lets go of it however this process ends
            fcntl.flock(claim, fcntl.LOCK_EX)
    barrier()
    try:
        yield
    finally:
        if claim is not None:
            claim.close()


def _folder(folders: Path, index: int, link: _Link) -> Path:
    """The folder of a link; in a shared place it may stand at another position of another run's list."""
    for folder in sorted(folders.glob(f'[0-9]*_{link.folder_name}')):
        if folder.name.partition('_')[2] == link.folder_name:
            return folder
    return folders / f'{index}_{link.folder_name}'


def _finished(folder: Path, link: _Link) -> Any:
    """What a finished link gives: the path of its checkpoint or its genotype. None if there is something left to do."""
    record = folder / 'result.json'
    if not record.is_file():
        return None
    try:
        result = json.loads(record.read_text(encoding='utf-8'))
        file, sha, owner = folder / result['file'], result['sha256'], result['config']
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'`{record}` is no record of an upstream run; delete the folder to train it again.'
        ) from error
    if not file.is_file():
        return None  # made again from the run's last checkpoint
    if owner != link.sha or sha != _sha256(file):
        raise ValueError(
            f'`{file}` is not what the upstream run `{link.name}` wrote; '
            f'delete the folder `{folder}` to train it again.'
        )
    return str(file) if link.take == 'checkpoint' else json.loads(file.read_text(encoding='utf-8'))


def _train(link: _Link, folder: Path, options: RunOptions) -> None:
    """Train a link, or go on with it, and write its result; the record comes last."""
    cfg = copy.deepcopy(link.cfg)
    cfg.work_dir = str(folder)
    # names the log and the message hub, which mmengine keeps in one table a process
    cfg.experiment_name = link.folder_name
    _run(cfg, link.links, options)
    with separate_runs() as runners:
        runner = build_runner(cfg, options, resume='auto')
        runners.append(runner)
        runner.train()
        # on all ranks, though only one writes
        runner.save_checkpoint(
            str(folder), 'unpublished.pth', save_optimizer=False, save_param_scheduler=False
        )
        if is_main_process():
            _publish(runner, link, folder)
        del runner
    barrier()


def _publish(runner: Runner, link: _Link, folder: Path) -> None:
    """Write the result of a finished training and, through a rename, the record that makes it valid."""
    # the saved file, not the model: hooks exchange the weights while they are saved (EMA)
    trained = folder / 'unpublished.pth'
    tensors = load_checkpoint(trained)['state_dict']
    trained.unlink()
    if link.take == 'checkpoint':
        part = {
            k.removeprefix(link.prefix): v for k, v in tensors.items() if k.startswith(link.prefix)
        }
        if not part:
            known = sorted({name.partition('.')[0] + '.' for name in tensors})
            raise ValueError(
                f'The model of the upstream run `{link.name}` has no tensors under `prefix={link.prefix!r}`; it has '
                + ', '.join(f'`{name}`' for name in known)
                + '.'
            )
        file = folder / 'result.pth'
        torch.save(dict(state_dict=part, meta=dict(upstream=link.sha)), _beside(file))
    else:
        file = folder / 'genotype.json'
        text = json.dumps(_genotype(runner, link), indent=2)
        _beside(file).write_text(text, encoding='utf-8')
    os.replace(_beside(file), file)
    record = folder / 'result.json'
    content = dict(file=file.name, sha256=_sha256(file), config=link.sha, name=link.name)
    _beside(record).write_text(json.dumps(content, indent=2), encoding='utf-8')
    os.replace(_beside(record), record)


def _genotype(runner: Runner, link: _Link) -> dict:
    """What was searched in a model, with the size of the derived network."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if not searchable_modules(model):
        raise ValueError(
            f"The model of the upstream run `{link.name}` has no searchable module, so `take='genotype'` does not "
            'apply; name a search.'
        )
    return found_genotype(runner)


@contextmanager
def separate_runs() -> Iterator[list[Runner]]:
    """Keep what a runner leaves in the process away from the next one.

    mmengine builds a visualizer of a known name only once a process, so the curves of the main run would go to the
    folder of its upstream; and log files stay open. The settings of torch for determinism are restored too.

    Yields:
        A list to put the runners of the block into; they are ended with it.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    runners: list[Runner] = []
    try:
        yield runners
    finally:
        while runners:
            _forget(runners.pop())
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _forget(runner: Runner) -> None:
    """End a runner's workers and take what it registered out of mmengine's tables."""
    stop_workers(runner)
    visualizer = runner.visualizer
    for owner in (Visualizer, type(visualizer)):
        owner._instance_dict.pop(visualizer.instance_name, None)
    for handler in runner.logger.handlers:
        handler.close()
    for owner in (MMLogger, MessageHub, DefaultScope):
        owner._instance_dict.pop(runner.experiment_name, None)


def _parent(cfg: Config, into: str, place: str) -> Any:
    """The dictionary or list that holds the last key of a dotted path."""
    node: Any = cfg
    keys = into.split('.')
    for key in keys[:-1]:
        child = None
        if isinstance(node, list):
            child = node[int(key)] if key.isdigit() and int(key) < len(node) else None
        elif isinstance(node, (dict, Config)):
            child = node.get(key)
        if not isinstance(child, (dict, list)):
            raise ValueError(
                f'`{place}.into` is `{into}`, but the config has no `{key}` there; '
                'plug the enhancer in or correct the path.'
            )
        node = child
    if isinstance(node, list) and not (keys[-1].isdigit() and int(keys[-1]) < len(node)):
        raise ValueError(
            f'`{place}.into` is `{into}`, but the list there has no item `{keys[-1]}`; correct the path.'
        )
    return node


def _digest(content: dict, skip: tuple[str, ...] = ()) -> str:
    """sha256 of a nested dictionary, whatever the order of its keys."""
    content = {key: value for key, value in content.items() if key not in skip}
    return hashlib.sha256(json.dumps(_plain(content), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, '__qualname__'):
        return f'{value.__module__}.{value.__qualname__}'
    return repr(value)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _beside(path: Path) -> Path:
    return path.with_name(f'{path.name}.part')
