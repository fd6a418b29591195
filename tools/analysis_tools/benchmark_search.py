"""What a step of an architecture search costs, and how far its finite differences are from second derivatives.

Example:
    python tools/analysis_tools/benchmark_search.py
    python tools/analysis_tools/benchmark_search.py configs/night_scenes/search/ssd-small.py --errors 0
    python tools/analysis_tools/benchmark_search.py my_search.py --rounds 15 --json search.json

A plain step of the supernet (the losses of all levels of one batch, their gradients by ω, one step) is timed in turn
with a step of each level and of all levels, in second and in first order, round after round. The medians are shown, on
a CPU those of the process's own time, and their ratios to the plain step. Memory is the most that a process or a GPU
held during such a step beyond what it held before, plus the weights (of a process: on Linux alone).

The finite difference is compared with second derivatives by autograd on the second-order term of each level, over
several pairs of batches: ‖difference − exact‖ / ‖exact‖, and the share ξ ‖exact‖ / ‖∇_α L_val‖ that the term has beside
the direct gradient. The weights are those of initialisation, or of `--checkpoint`.

Both use the config's own data; nothing is kept of what the steps change.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# threads of torch that spin while they wait take time from the others; read when torch is imported
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import torch  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

from llv.apis.plug import clear_pretrained  # noqa: E402
from llv.benchmark.report import describe_machine  # noqa: E402
from llv.benchmark.speed import now  # noqa: E402
from llv.engine.hypergradient import Hypergradient, hypergradient  # noqa: E402
from llv.engine.loops import CooperativeSearchLoop  # noqa: E402
from llv.engine.loops.search_levels import Level  # noqa: E402
from llv.engine.loops.search_optimizers import virtual_step  # noqa: E402
from llv.engine.passes import only_trainable, undisturbed  # noqa: E402
from llv.engine.settings import RunOptions, build_runner  # noqa: E402
from llv.utils.arguments import count, new_file, whole_number  # noqa: E402
from llv.utils.config import KeyValueAction, load_config  # noqa: E402
from llv.utils.errors import friendly_errors  # noqa: E402
from llv.utils.markdown import markdown_table  # noqa: E402

CONFIG = 'llv::night_scenes/search/ruas.py'
_STATUS, _CLEAR = Path('/proc/self/status'), Path('/proc/self/clear_refs')
_MMAP_THRESHOLD = -3  # of glibc's `mallopt`
Pair = tuple[Any, Any]


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
        help='config of a search (default: %(default)s)',
    )
    parser.add_argument(
        '--rounds',
        type=whole_number,
        default=9,
        metavar='N',
        help='times that each is timed, 0 for none (default: %(default)s)',
    )
    parser.add_argument(
        '--errors',
        type=whole_number,
        default=10,
        metavar='N',
        help='pairs of batches to compare finite differences on, 0 for none (default: %(default)s)',
    )
    parser.add_argument(
        '--checkpoint', metavar='CHECKPOINT', help='weights of the supernet to measure at'
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
        help='values that replace those of the config: train_dataloader.batch_size=4',
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    with friendly_errors(), tempfile.TemporaryDirectory() as folder:
        args = parse_args(arguments)
        torch.set_num_threads(args.threads)
        runner = prepared(args, folder)
        loop = runner.train_loop
        pairs = batches(loop, max(args.errors, 1))
        device = next(loop.model.parameters()).device
        figures: dict[str, Any] = dict(
            machine=describe_machine(), config=str(args.config), rounds=args.rounds
        )
        figures['steps'] = measure_steps(runner, pairs[0], args.rounds, device)
        figures['errors'] = [
            row
            for level in loop.levels
            for row in measure_errors(runner, level, pairs[: args.errors])
        ]
        print(report(figures))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')


def prepared(args: argparse.Namespace, folder: str) -> Runner:
    """A runner whose search has done its first iteration, so that all optimizers have their state.

    Raises:
        ValueError: The config is no search.
    """
    cfg = load_config(args.config, args.cfg_options)
    kind = str((cfg.get('train_cfg') or {}).get('type')).removeprefix('llv.')
    if kind != CooperativeSearchLoop.__name__:
        raise ValueError(
            f'`{args.config}` is no search (`train_cfg.type` is `{kind}`); name a config with '
            f'`llv.{CooperativeSearchLoop.__name__}`.'
        )
    clear_pretrained(cfg)
    cfg.pop('upstream', None)
    cfg.update(work_dir=folder, load_from=args.checkpoint)
    for part in ('val', 'test'):
        cfg.update({f'{part}_{key}': None for key in ('cfg', 'dataloader', 'evaluator')})
    cfg.train_cfg.update(max_iters=1, strategy='cooperative', cost_weight=0.0, alpha_from=None)
    for loader in (cfg.train_dataloader, cfg.train_cfg.valid_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    cfg.default_hooks.pop('checkpoint', None)
    cfg.log_level = 'ERROR'
    runner = build_runner(cfg, RunOptions())
    runner.train()
    runner.model.train()
    return runner


def batches(loop: CooperativeSearchLoop, count: int) -> list[Pair]:
    """Training and validation batches."""
    train, valid = (iter(stream.loader) for stream in loop.streams)
    return [(next(train), next(valid)) for _ in range(count)]


def measure_steps(
    runner: Runner, pair: Pair, rounds: int, device: torch.device
) -> list[dict[str, Any]]:
    """Seconds and bytes of a plain step and of a step of each level, in both orders."""
    loop = runner.train_loop

    def move(levels: list[Level], order: int) -> Callable[[], None]:
        def run() -> None:
            loop.order = order
            for level in levels:
                loop._move(level, *pair, 0)

        return run

    runs = {('plain', 0): lambda: plain_step(runner, pair[0])}
    choices = {level.name: [level] for level in loop.levels}
    if len(loop.levels) > 1:
        choices['both'] = list(loop.levels)
    runs.update({(name, order): move(c, order) for order in (2, 1) for name, c in choices.items()})
    times: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    with kept(runner):
        for _ in range(rounds and rounds + 1):  # the first warms up
            for key, run in runs.items():
                start = seconds(device)
                run()
                times[key].append(seconds(device) - start)
        memory = {key: peak(run, device) for key, run in runs.items()} if rounds else {}
    weights = sum(p.numel() * p.element_size() for p in loop.model.parameters())
    found = []
    for key in runs if rounds else ():
        median = statistics.median(times[key][1:])
        plain = statistics.median(times['plain', 0][1:])
        row = dict(level=key[0], order=key[1], seconds=median, ratio=median / plain)
        if memory[key] is not None:
            row['bytes'] = memory[key] + weights
            row['memory_ratio'] = row['bytes'] / (memory['plain', 0] + weights)
        found.append(row)
    return found


def seconds(device: torch.device) -> float:
    """A time: on a CPU that of the process, to which others beside it do not count."""
    return time.process_time() if device.type == 'cpu' else now(device)


def plain_step(runner: Runner, batch: Any) -> None:
    """A step of ω by the losses of all levels."""
    loop, wrapper = runner.train_loop, runner.optim_wrapper['weights']
    factors = dict.fromkeys((part for level in loop.levels for part in level.objective), 1.0)
    omega = [parameter for level in loop.levels for parameter in level.omega]
    with only_trainable(loop.model, omega):
        gradients = torch.autograd.grad(loss_of(loop, batch, factors), omega, allow_unused=True)
    for parameter, gradient in zip(omega, gradients, strict=True):
        parameter.grad = gradient
    wrapper.step()
    wrapper.zero_grad()


def loss_of(loop: CooperativeSearchLoop, batch: Any, factors: dict[str, float]) -> torch.Tensor:
    """The weighted sum of parts of the loss."""
    found = loop.losses(batch, tuple(factors))
    return sum(factor * sum(found[part].values()) for part, factor in factors.items())


@contextmanager
def kept(runner: Runner) -> Iterator[None]:
    """Weights and buffers as before, whatever the block does; optimizers go on."""
    state = {k: v.detach().clone() for k, v in runner.train_loop.model.state_dict().items()}
    order = runner.train_loop.order
    try:
        yield
    finally:
        runner.train_loop.model.load_state_dict(state)
        runner.train_loop.order = order


def peak(run: Callable[[], None], device: torch.device) -> int | None:
    """The most bytes that a run holds beyond those before; None where the system does not tell."""
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 2**16)  # freed tensors go back to the system at once
        libc.malloc_trim(0)
        _CLEAR.write_text('5')  # sets the high-water mark to what is held now
        before = _held('VmRSS')
        run()
        return _held('VmHWM') - before
    except (OSError, AttributeError):
        return None


def _held(what: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f'{what}:'))
    return 1024 * int(line.split()[1])


def measure_errors(runner: Runner, level: Level, pairs: list[Pair]) -> list[dict[str, Any]]:
    """The error of the finite difference of a level for each pair of batches, and how much the term matters."""
    if not (level.alpha and level.omega):
        return []
    rows = []
    for number, pair in enumerate(pairs):
        difference, exact = (second_order(runner, level, pair, number, e) for e in (False, True))
        norm = _norm(exact.implicit)
        step_size = step_of(runner, level)['step_size']
        error = [a - b for a, b in zip(difference.implicit, exact.implicit, strict=True)]
        rows.append(
            dict(
                level=level.name,
                error=_norm(error) / norm,
                share=step_size * norm / _norm(exact.direct),
                total_error=step_size * _norm(error) / _norm(exact.total),
            )
        )
    return rows


def step_of(runner: Runner, level: Level) -> dict[str, Any]:
    """The virtual step of a level, as the search takes it at its beginning."""
    loop = runner.train_loop
    step = virtual_step(runner.optim_wrapper['weights'], level.omega)
    if loop.virtual_weight_decay is not None:
        step['weight_decay'] = loop.virtual_weight_decay
    size = step['step_size'] if loop.step_size is None else loop.step_size
    step['step_size'] = float(size if isinstance(size, (int, float)) else size[0])
    return step


def second_order(
    runner: Runner, level: Level, pair: Pair, number: int, exact: bool
) -> Hypergradient:
    """The hypergradient of a level at a pair of batches; nothing moves."""
    loop = runner.train_loop

    def loss(batch: Any, factors: dict[str, float], stream: int) -> torch.Tensor:
        with undisturbed(loop.model, number, stream):
            return loss_of(loop, batch, factors)

    objective = dict.fromkeys(level.objective, 1.0)
    perturbed = objective if loop.hvp_loss == 'train' else level.validation
    with only_trainable(loop.model, (*level.alpha, *level.omega)):
        return hypergradient(
            level.alpha,
            level.omega,
            lambda: loss(pair[0], objective, 0),
            lambda: loss(pair[1], level.validation, 1),
            perturbed_loss=lambda: loss(pair[0], perturbed, 0),
            radius=loop.radius,
            exact=exact,
            **step_of(runner, level),
        )


def _norm(values: list[torch.Tensor]) -> float:
    return torch.stack([torch.linalg.vector_norm(value) for value in values]).norm().item()


def report(figures: dict[str, Any]) -> str:
    """The tables in Markdown."""
    facts = '; '.join(f'{name} {value}' for name, value in figures['machine'].items())
    lines = []
    if figures['steps']:
        lines += [f'{facts}; median of {figures["rounds"]}.', '', _steps_table(figures['steps'])]
    rows = figures['errors']
    if rows:
        count = sum(row['level'] == rows[0]['level'] for row in rows)
        lines += [''] * bool(lines)
        lines += [
            f'Finite difference against autograd, {count} pairs of batches: median (largest).'
        ]
        lines += ['', _errors_table(rows)]
    return '\n'.join(lines)


def _steps_table(rows: list[dict[str, Any]]) -> str:
    names = {0: '–', 1: 'first', 2: 'second'}
    return markdown_table(
        [
            {
                'what moves': 'plain step' if row['level'] == 'plain' else row['level'],
                'order': names[row['order']],
                'ms': f'{1e3 * row["seconds"]:.1f}',
                'plain steps': f'{row["ratio"]:.2f}',
                'peak memory, MiB': f'{row["bytes"] / 2**20:.0f}' if 'bytes' in row else '–',
                'of a plain step': f'{row["memory_ratio"]:.2f}' if 'bytes' in row else '–',
            }
            for row in rows
        ]
    )


def _errors_table(rows: list[dict[str, Any]]) -> str:
    def shown(level: str, key: str) -> str:
        values = [row[key] for row in rows if row['level'] == level]
        return f'{100 * statistics.median(values):.2g} ({100 * max(values):.2g})'

    return markdown_table(
        [
            {
                'level': level,
                'error of the second-order term, %': shown(level, 'error'),
                'the term, % of the direct gradient': shown(level, 'share'),
                'error of the whole, %': shown(level, 'total_error'),
            }
            for level in dict.fromkeys(row['level'] for row in rows)
        ]
    )


if __name__ == '__main__':
    main()
