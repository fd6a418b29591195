"""From a config to a runner: device, precision, resuming, reproducibility and downloads."""

from __future__ import annotations

import copy
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch.distributed
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.runner import checkpoint as loaders

from llv.apis.plug import clear_pretrained
from llv.engine.hooks import RandomEnhancerHook
from llv.engine.seeded_sampler import make_reproducible
from llv.utils.checkpoint import cached_download


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about a run and all its upstream runs.

    Attributes:
        launcher: ``none``, ``pytorch`` (torchrun), ``slurm`` or ``mpi``.
        amp: Train in mixed precision.
        no_pretrained: Start from random weights where a config names pretrained ones.
        upstream_dir: Folder for the upstream runs, shared by several main runs; by default one inside the work folder.
    """

    launcher: str = 'none'
    amp: bool = False
    no_pretrained: bool = False
    upstream_dir: str | None = None

    def applied_to(self, cfg: Config) -> Config:
        """The config as it is to be run, before anything that depends on the machine."""
        cfg = copy.deepcopy(cfg)
        cfg.launcher = self.launcher
        if self.no_pretrained:
            clear_pretrained(cfg)
        return cfg


def has_accelerator() -> bool:
    """Whether mmengine will train on something it can train in parallel and in half precision."""
    return get_device() not in ('cpu', 'mps')


def build_runner(cfg: Config, options: RunOptions, resume: str | None = None) -> Runner:
    """A runner for training.

    Args:
        cfg: Config with its ``work_dir``.
        options: As given on the command line.
        resume: A checkpoint to resume from, ``auto`` for the latest in the work folder if there is one, None to start.
    """
    cfg = copy.deepcopy(cfg)
    if options.amp:
        use_amp(cfg)
    use_parallel_cpu(cfg, options.launcher)
    make_reproducible(cfg)
    checkpoint = resume_point(cfg, resume)
    check_downloads(cfg)
    runner = runner_from(cfg)
    if checkpoint is not None:
        # not through the config: its dump must stand by itself when the checkpoint is gone
        runner._load_from, runner._resume = checkpoint, True
    return runner


def runner_from(cfg: Config) -> Runner:
    """The runner of a config; it refuses to run a model whose enhancer is random and stays so."""
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.register_hook(RandomEnhancerHook())
    return runner


def stop_workers(runner: Runner) -> None:
    """End the workers of a runner's loaders; left to the garbage collector, each takes its five seconds."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        # endless loops hold an iterator of their own
        for name in ('dataloader', 'dataloader_iterator'):
            owner = getattr(loop, name, None)
            iterator = getattr(owner, '_iterator', None)
            if hasattr(iterator, '_shutdown_workers'):
                iterator._shutdown_workers()
                owner._iterator = None


def resume_point(cfg: Config, resume: str | None) -> str | None:
    """The checkpoint to resume from, None to start anew; see :func:`build_runner`."""
    checkpoint = resume
    if resume == 'auto':
        # asked here, since with `load_from` mmengine would resume from that file, and without it forget about it
        checkpoint = _latest(cfg)
        if checkpoint is None:
            print_log(
                f'No checkpoint in {cfg.work_dir} to resume from; training starts anew.', 'current'
            )
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise FileNotFoundError(
            f'The checkpoint `{checkpoint}` to resume from is not there; check the path.'
        )
    return checkpoint


def _latest(cfg: Config) -> str | None:
    return find_latest_checkpoint(cfg.work_dir) if Path(cfg.work_dir).is_dir() else None


def use_amp(cfg: Config) -> None:
    """Switch a config to mixed precision: float16 on an accelerator, bfloat16 on the CPU."""
    wrapper = cfg.get('optim_wrapper')
    kind = None if wrapper is None else wrapper.get('type', 'OptimWrapper')
    plain, amp = 'OptimWrapper', 'AmpOptimWrapper'
    if kind not in (plain, amp, f'mmengine.{plain}', f'mmengine.{amp}', 'llv.Bfloat16OptimWrapper'):
        raise ValueError(
            f'`--amp` needs `optim_wrapper.type` to be `OptimWrapper`, but got `{kind}`; set the wrapper in the config.'
        )
    if has_accelerator():
        wrapper['type'] = amp
        wrapper.setdefault('loss_scale', 'dynamic')
    else:
        wrapper['type'] = 'llv.Bfloat16OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)


def use_parallel_cpu(cfg: Config, launcher: str) -> None:
    """Let several processes train on the CPU: mmengine's own wrapper demands an accelerator."""
    if launcher == 'none' or has_accelerator():
        return
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        broadcast_buffers=False, find_unused_parameters=cfg.get('find_unused_parameters', False)
    )
    if str(wrapper.get('type', '')).removeprefix('mmengine.') in ('', 'MMDistributedDataParallel'):
        wrapper['type'] = 'llv.DistributedDataParallel'
    cfg.model_wrapper_cfg = wrapper


def open_process_group(cfg: Config, launcher: str) -> None:
    """Open a gloo group where there is no accelerator; elsewhere the runner opens its own.

    Raises:
        ValueError: The process was not started by `launcher`.
    """
    if launcher == 'none':
        return
    needed = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')[launcher]
    if needed not in os.environ:
        raise ValueError(
            f'`--launcher {launcher}` needs the environment of that launcher (`{needed}` is not set); '
            'start the run with `tools/dist_train.sh`, `srun` or `mpirun`.'
        )
    if has_accelerator() or torch.distributed.is_initialized():
        return
    env = os.environ
    if launcher == 'slurm':
        env.update(RANK=env['SLURM_PROCID'], WORLD_SIZE=env['SLURM_NTASKS'])
        env['LOCAL_RANK'] = env.get('SLURM_LOCALID', '0')
        if 'MASTER_ADDR' not in env:
            hosts = subprocess.check_output(
                ['scontrol', 'show', 'hostname', env['SLURM_NODELIST']], text=True
            )
            env['MASTER_ADDR'] = hosts.split()[0]
    elif launcher == 'mpi':
        env.update(RANK=env['OMPI_COMM_WORLD_RANK'], WORLD_SIZE=env['OMPI_COMM_WORLD_SIZE'])
        env['LOCAL_RANK'] = env['OMPI_COMM_WORLD_LOCAL_RANK']
        env.setdefault('MASTER_ADDR', 'localhost')
    env.setdefault('MASTER_PORT', '29500')
    options = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
    timeout = timedelta(seconds=options.get('timeout', 1800))
    torch.distributed.init_process_group('gloo', timeout=timeout)


def close_process_group() -> None:
    """Leave the group together: a process that ends with gloo's threads still running is aborted at times."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def check_downloads(cfg: Config) -> None:
    """Make sure that pretrained weights are here or can be fetched, before anything is built.

    Raises:
        FileNotFoundError: A file is not in the cache and its host does not answer.
    """
    for name in sorted(_pretrained(cfg.get('model'))):
        try:
            url = _url(name)
        except KeyError as error:
            raise ValueError(
                f'No model is published under `{name}`; correct the `init_cfg`.'
            ) from error
        path = cached_download(url)
        if path.is_file():
            continue
        parts = urlparse(url)
        port = parts.port or (443 if parts.scheme == 'https' else 80)
        try:
            socket.create_connection((parts.hostname, port), timeout=5).close()
        except OSError as error:
            raise FileNotFoundError(
                f'The pretrained weights `{name}` of the config are not here and `{parts.hostname}` does not answer; '
                f'put the file at `{path}` or train from random weights with `--no-pretrained`.'
            ) from error


def check_start(cfg: Config, resume: str | None = None) -> None:
    """Make sure that the checkpoint a training starts from is there, before anything else is read or trained.

    One that an upstream run is going to write, or that a resumed run does not look at, need not be there.

    Args:
        cfg: Config with its ``work_dir``.
        resume: As for :func:`build_runner`.

    Raises:
        FileNotFoundError: ``load_from`` names a file that is not there.
    """
    checkpoint = cfg.get('load_from')
    if not checkpoint or '://' in checkpoint:
        return
    if resume and (resume != 'auto' or _latest(cfg) is not None):
        return
    if any(link.get('into') == 'load_from' for link in cfg.get('upstream') or ()):
        return
    if not Path(checkpoint).expanduser().is_file():
        raise FileNotFoundError(
            f'The checkpoint `{checkpoint}` (`load_from` of the config) is not there; put it there, name another with '
            '`--cfg-options load_from=FILE`, or start without by `--cfg-options load_from=None`.'
        )


def _pretrained(node: Any) -> Iterator[str]:
    """Every pretrained checkpoint in a model config that must be downloaded."""
    if isinstance(node, dict):
        found = [node.get('pretrained')]
        if node.get('type') in ('Pretrained', 'PretrainedInit'):
            found.append(node.get('checkpoint'))
        yield from (name for name in found if isinstance(name, str) and '://' in name)
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return
    for value in node:
        yield from _pretrained(value)


def _url(name: str) -> str:
    """The address behind one of mmengine's names for published models."""
    scheme, _, model = name.partition('://')
    if scheme in ('torchvision', 'modelzoo'):
        return loaders.get_torchvision_models()[model]
    if scheme in ('open-mmlab', 'openmmlab'):
        model = loaders.get_deprecated_model_names().get(model, model)
        return loaders.get_external_models()[model]
    if scheme == 'mmcls':
        return loaders.get_mmcls_models()[model]
    return name
