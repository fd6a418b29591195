"""What an iteration of TriCo's two stages costs beside a plain one, and the memory that its network takes for a pixel.

Example:
    python tools/analysis_tools/benchmark_levels.py --size 48 --batch-size 1 --rounds 5
    python tools/analysis_tools/benchmark_levels.py configs/trico/trico_night-coupled.py --size 32 --scales
    python tools/analysis_tools/benchmark_levels.py --rounds 0 --scales 1 2 4 --json levels.json

Iterations of the config's own loop are timed in turn, a plain one, one of the first stage (S1) and one of the second
(S2), round after round; reading pictures is not in it. Medians are shown, on a CPU of the process's own time, and those
of the ratio to the plain iteration of the same round. Pictures are generated night scenes, weights are random.

Memory is counted on the CPU, for one picture: the largest sum of the bytes of all tensors that are alive at a time,
weights left out; of a forward pass without gradients, and of a forward and a backward pass. Between them stands what a
forward pass keeps for the gradient.

The semantic prior and the perceptual loss need files, so they are left out unless `--cfg-options` brings them back.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# threads of torch that spin while they wait take time from the others; read when torch is imported
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.multiprocessing.reductions import StorageWeakRef  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from llv.benchmark.report import describe_machine  # noqa: E402
from llv.benchmark.speed import now  # noqa: E402
from llv.datasets.night_scenes import write_coupled_night_scenes  # noqa: E402
from llv.engine.loops import PhasedGradientResponseLoop  # noqa: E402
from llv.engine.settings import RunOptions, build_runner  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.utils.arguments import count, new_file, whole_number  # noqa: E402
from llv.utils.config import KeyValueAction, load_config  # noqa: E402
from llv.utils.errors import friendly_errors  # noqa: E402
from llv.utils.markdown import markdown_table  # noqa: E402

CONFIG = 'llv::trico/trico_rellisur-x2.py'
# forward passes of an iteration, a backward one counted as two
PASSES = {'plain': 3, 'S1': 11, 'S2': 15}
_SCENES = 6
_MEMORY = ('inference', 'kept', 'training')


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config',
        nargs='?',
        default=CONFIG,
        metavar='CONFIG',
        help='config of a training in three levels (default: %(default)s)',
    )
    parser.add_argument(
        '--size',
        type=count,
        default=128,
        metavar='PIXELS',
        help='side of the dark pictures (default: %(default)s)',
    )
    parser.add_argument(
        '--batch-size', type=count, metavar='N', help="pictures a batch (default: the config's)"
    )
    parser.add_argument(
        '--rounds',
        type=whole_number,
        default=5,
        metavar='N',
        help='times that each kind of iteration is timed, 0 for none (default: %(default)s)',
    )
    parser.add_argument(
        '--scales',
        type=int,
        nargs='*',
        choices=(1, 2, 4),
        default=[1, 2, 4],
        help='factors of enlarging to count the memory at, none for no memory (default: 1 2 4)',
    )
    parser.add_argument(
        '--threads', type=count, default=1, metavar='N', help='of the CPU (default: %(default)s)'
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValueAction,
        metavar='KEY=VALUE',
        help='values that replace those of the config: model.enhancer.width=32',
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    with friendly_errors(), tempfile.TemporaryDirectory() as folder:
        args = parse_args(arguments)
        torch.set_num_threads(args.threads)
        cfg = read(args.config, args.cfg_options)
        figures: dict[str, Any] = dict(
            machine=describe_machine(), config=str(args.config), size=args.size, rounds=args.rounds
        )
        figures['batch_size'] = args.batch_size or cfg.train_dataloader.batch_size
        figures['iterations'] = []
        if args.rounds:
            prepare(cfg, Path(folder), args.size, figures['batch_size'], args.rounds)
            figures['iterations'] = measure_iterations(cfg)
        enhancer = cfg.model.enhancer
        figures['memory'] = [
            dict(scale=scale, **measure_memory(enhancer, scale, args.size)) for scale in args.scales
        ]
        print(report(figures))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')


def read(name: str, options: dict[str, Any] | None) -> Config:
    """A config without what needs files.

    Raises:
        ValueError: It is no training in three levels.
    """
    cfg = load_config(name)
    kind = str((cfg.get('train_cfg') or {}).get('type')).removeprefix('llv.')
    if kind != PhasedGradientResponseLoop.__name__:
        raise ValueError(
            f'`{name}` is no training in three levels (`train_cfg.type` is `{kind}`); name a config with '
            f'`llv.{PhasedGradientResponseLoop.__name__}`.'
        )
    cfg.model.enhancer.prior = dict(type='none')
    cfg.model.enhancer.scene_loss.perceptual = None
    cfg.merge_from_dict(options or {})
    init_default_scope('llv')
    return cfg


def prepare(cfg: Config, folder: Path, size: int, batch_size: int, rounds: int) -> None:
    """Let a config train on generated pictures, one iteration of each kind in each round and in one to warm up."""
    write_coupled_night_scenes(
        folder / 'scenes', dict(train=_SCENES), (size, size), workers=1, progress=False
    )
    for loader in (cfg.train_dataloader, cfg.train_cfg.upper_dataloader):
        loader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(folder / 'scenes')
        for step in loader.dataset.pipeline:
            if step.type == 'llv.CoupledRandomCrop':
                step.size = size
    for part in ('val', 'test'):
        cfg.update({f'{part}_{key}': None for key in ('cfg', 'dataloader', 'evaluator')})
    every = dict(coupled=True, coupled_every=1, s1_tolerance=None)
    cfg.train_cfg.update(max_iters=(rounds + 1) * len(PASSES), **every)
    cfg.default_hooks.pop('checkpoint', None)
    cfg.update(work_dir=str(folder / 'run'), log_level='ERROR', load_from=None)


class Turns(Hook):
    """Take each kind of iteration in turn, and time it.

    Attributes:
        seconds: By kind; the first of each warmed up.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {kind: [] for kind in PASSES}
        self._kinds = list(PASSES)
        self._start = 0.0

    def before_train(self, runner: Runner) -> None:
        """The first is a plain one."""
        self._choose(runner.train_loop, 0)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Its batches are there."""
        self._start = clock(runner)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """It is done, and another kind is next."""
        kind = self._kinds[batch_idx % len(PASSES)]
        self.seconds[kind].append(clock(runner) - self._start)
        self._choose(runner.train_loop, batch_idx + 1)

    def _choose(self, loop: PhasedGradientResponseLoop, iteration: int) -> None:
        kind = self._kinds[iteration % len(PASSES)]
        loop.s1_iters = iteration + 1 if kind == 'S1' else 0
        loop.use_s2 = kind == 'S2'


def clock(runner: Runner) -> float:
    """A time in seconds: on a CPU that of the process, to which others beside it do not count."""
    device = next(runner.train_loop.enhancer.parameters()).device
    return time.process_time() if device.type == 'cpu' else now(device)


def measure_iterations(cfg: Config) -> list[dict[str, Any]]:
    """Median seconds of each kind of iteration, and median ratio to the plain one of the same round."""
    runner = build_runner(cfg, RunOptions())
    turns = Turns()
    runner.register_hook(turns)
    runner.train()
    seconds = {kind: values[1:] for kind, values in turns.seconds.items()}
    rows = []
    for kind, values in seconds.items():
        ratios = [value / plain for value, plain in zip(values, seconds['plain'], strict=True)]
        row = dict(kind=kind, seconds=statistics.median(values), ratio=statistics.median(ratios))
        rows.append(dict(row, passes=PASSES[kind] / PASSES['plain'], times=values))
    return rows


class Peak(TorchDispatchMode):
    """The largest sum of the bytes of all tensors alive at a time that were made inside.

    Attributes:
        bytes: The sum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self._most = 0  # of what was alive when it was last looked at, and of all since
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run an operation and look at what is there."""
        result = func(*args, **(kwargs or {}))
        for storage in _storages(tree_leaves(result)):
            if storage._cdata not in self._alive:
                self._alive[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
                self._most += storage.nbytes()
        if self._most > self.bytes:  # else there is no need to look what is gone
            self._alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
            self._most = sum(size for _, size in self._alive.values())
            self.bytes = max(self.bytes, self._most)
        return result


def measure_memory(enhancer: dict[str, Any], scale: int, size: int) -> dict[str, float]:
    """Bytes for each pixel of a dark picture: of inference, kept for the gradient, and of training at its peak."""
    config = {**copy.deepcopy(enhancer), 'scale': scale, 'scene_loss': None}
    network = MODELS.build(config)
    picture = 0.2 * torch.rand(1, 3, size, size)
    with torch.no_grad(), Peak() as inference:
        network.eval()(picture)
    own = {storage._cdata for storage in _storages(network.parameters())}
    kept: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept.update({s._cdata: s for s in _storages([tensor]) if s._cdata not in own})
        return tensor

    with Peak() as training:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            raw = network.train()(picture).maps['raw']
        held = sum(storage.nbytes() for storage in kept.values())
        kept.clear()
        torch.autograd.grad(raw, list(network.parameters()), torch.ones_like(raw))
    found = zip(_MEMORY, (inference.bytes, held, training.bytes), strict=True)
    return {name: value / size**2 for name, value in found}


def _storages(values: Sequence[Any] | Iterator[nn.Parameter]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, Tensor):
            yield value.untyped_storage()


def report(figures: dict[str, Any]) -> str:
    """The tables in Markdown."""
    lines, side = [], figures['size']
    if figures['iterations']:
        facts = '; '.join(f'{name} {value}' for name, value in figures['machine'].items())
        rows = [
            {
                'iteration': row['kind'],
                'ms': f'{1e3 * row["seconds"]:.0f}',
                'plain iterations': f'{row["ratio"]:.2f}',
                'by passes': f'{row["passes"]:.2f}',
            }
            for row in figures['iterations']
        ]
        batch = f'{figures["batch_size"]} × {side}² of each set'
        lines += [
            f'{figures["config"]}, {batch}; {facts}; median of {figures["rounds"]}.',
            '',
            markdown_table(rows),
        ]
    if figures['memory']:
        rows = [
            {
                'scale': f'×{row["scale"]}',
                'inference, kB': f'{row["inference"] / 1e3:.1f}',
                'kept for the gradient, kB': f'{row["kept"] / 1e3:.1f}',
                'forward and backward, kB': f'{row["training"] / 1e3:.1f}',
            }
            for row in figures['memory']
        ]
        lines += [''] * bool(lines)
        lines += [
            f'{figures["config"]}, memory for a pixel of one dark picture of {side} × {side}.',
            '',
            markdown_table(rows),
        ]
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
