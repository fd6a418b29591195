"""Does a search find the operation that was planted on an edge?

Example:
    python tools/analysis_tools/planted_edges.py --trainable --first-seed 10 --json docs/planted_edges.json \\
        --write docs/search_planted.md

A teacher is the cell of RUAS with random weights; one of its edges holds the planted operation, the others 3×3
convolutions. The student is the same network with all candidates on that edge, and learns the teacher's answers to
random pictures. Edge after edge, teacher after teacher, seed after seed:

frozen      Each candidate keeps its own random weights, the planted one the teacher's, so that the answer is unique.
            α alone learns, by the gradient of the loss.
trainable   Candidates know nothing of the teacher and are trained with α, by the second-order step of the search loop,
            with weight decay: without it α stands still once all candidates together imitate the teacher.

Found is the candidate of the largest α at the end. It counts where it is of the planted one's function class: with free
weights a convolution and its residual twin compute the same. Skip and 1×1 teachers are contained in the larger
candidates, and so without a unique answer where weights are trained; they are shown too.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from llv.benchmark.planted import function_class, plant
from llv.benchmark.report import describe_machine
from llv.engine.hypergradient import hypergradient
from llv.engine.loops.search_optimizers import ARCH_OPTIMIZER
from llv.engine.passes import only_trainable
from llv.search.searchable import arch_parameters, weight_parameters
from llv.search.spaces import CELL_EDGES, LOW_LEVEL
from llv.utils.arguments import count, new_file, not_negative, positive, whole_number
from llv.utils.errors import friendly_errors
from llv.utils.markdown import around_markers, markdown_table, write_between_markers

MARK = 'planted-edges'
# with a unique answer, then those that larger candidates contain
UNIQUE = ('conv_3x3', 'dilconv_3x3', 'resconv_3x3', 'resdilconv_3x3')
TEACHERS = (*UNIQUE, *(name for name in LOW_LEVEL.candidates if name not in UNIQUE))
MOMENTUM = 0.9
CLIP = 5.0


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--seed-count',
        type=count,
        default=10,
        metavar='N',
        help='number of seeds (default: %(default)s)',
    )
    parser.add_argument(
        '--first-seed',
        type=whole_number,
        default=0,
        metavar='SEED',
        help='the others follow it (default: %(default)s)',
    )
    parser.add_argument(
        '--trainable', action='store_true', help='also with trainable weights (five times as long)'
    )
    parser.add_argument(
        '--teachers',
        nargs='+',
        choices=TEACHERS,
        default=list(TEACHERS),
        metavar='OPERATION',
        help='operations to plant, of %(choices)s (default: all)',
    )
    parser.add_argument(
        '--edges',
        nargs='+',
        choices=CELL_EDGES,
        default=list(CELL_EDGES),
        metavar='EDGE',
        help='where to plant them, of %(choices)s (default: all)',
    )
    parser.add_argument(
        '--steps',
        type=count,
        default=200,
        metavar='N',
        help='of α in each search (default: %(default)s)',
    )
    parser.add_argument(
        '--alpha-lr',
        type=positive,
        default=0.02,
        metavar='RATE',
        help="Adam's learning rate for α (default: %(default)s)",
    )
    parser.add_argument(
        '--weight-lr',
        type=positive,
        default=0.05,
        metavar='RATE',
        help="SGD's for the candidates (default: %(default)s)",
    )
    parser.add_argument(
        '--weight-decay',
        type=not_negative,
        default=0.03,
        metavar='DECAY',
        help="SGD's for the candidates; what keeps α moving once they imitate the teacher (default: %(default)s)",
    )
    parser.add_argument(
        '--batch-size',
        type=count,
        default=4,
        metavar='N',
        help='pictures a step (default: %(default)s)',
    )
    parser.add_argument(
        '--size',
        type=count,
        default=16,
        metavar='PIXELS',
        help='side of the square pictures (default: %(default)s)',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help=f'put the tables between the marks `begin {MARK}` and `end {MARK}` of a page',
    )
    return parser.parse_args()


def search(
    edge: str, teacher: str, trainable: bool, seed: int, args: argparse.Namespace
) -> dict[str, Any]:
    """One search: what was ``found``, its weight in softmax(α), and the last relative validation ``loss``."""
    torch.manual_seed(seed)
    network, student = plant(edge, teacher, trainable)
    # two streams, of new pictures in each step
    pictures = torch.randn(2, args.steps, args.batch_size, 3, args.size, args.size)
    with torch.no_grad():
        answers = network(pictures.flatten(0, 2)).view_as(pictures)
    scale = answers.var()  # 1 is the loss of the mean answer: edges weigh differently in the result

    def loss(stream: int, step: int) -> Tensor:
        return F.mse_loss(student(pictures[stream, step]), answers[stream, step]) / scale

    (alpha,), omega = arch_parameters(student), weight_parameters(student)
    settings = {key: value for key, value in ARCH_OPTIMIZER.items() if key != 'type'}
    arch = torch.optim.Adam([alpha], **dict(settings, lr=args.alpha_lr))
    weights = (
        torch.optim.SGD(omega, args.weight_lr, MOMENTUM, weight_decay=args.weight_decay)
        if omega
        else None
    )
    for step in range(args.steps):
        buffers = (
            [weights.state.get(value, {}).get('momentum_buffer') for value in omega]
            if weights
            else None
        )
        result = hypergradient(
            [alpha],
            omega,
            lambda step=step: loss(0, step),
            lambda step=step: loss(1, step),
            args.weight_lr,
            momentum=MOMENTUM,
            momentum_buffers=buffers,
            weight_decay=args.weight_decay,
        )
        (alpha.grad,) = result.total
        arch.step()
        if weights:
            train(student, omega, weights, lambda step=step: loss(0, step))
    return dict(
        found=student.architecture.derive()[edge],
        weight=student.architecture.weights().max().item(),
        loss=result.validation_loss,
    )


def train(student: nn.Module, omega: list[Tensor], weights: torch.optim.SGD, loss: Any) -> None:
    """One clipped step of the candidates' weights."""
    weights.zero_grad()
    with only_trainable(student, omega):
        loss().backward()
    nn.utils.clip_grad_norm_(omega, CLIP)
    weights.step()


def summarize(runs: Sequence[dict[str, Any]], teacher: str) -> dict[str, Any]:
    """The seeds of one teacher on one edge: how many found its class, and how many itself."""
    found = [run['found'] for run in runs]
    return dict(
        right_class=sum(function_class(name) == function_class(teacher) for name in found),
        right_operation=found.count(teacher),
        found=found,
        mean_weight=round(sum(run['weight'] for run in runs) / len(runs), 3),
        mean_loss=round(sum(run['loss'] for run in runs) / len(runs), 4),
    )


def tables(results: Sequence[dict[str, Any]], seeds: int) -> str:
    """A markdown table a mode: right classes over teachers and edges, the operation itself in brackets if fewer."""
    parts = []
    for mode in dict.fromkeys(row['mode'] for row in results):
        rows: dict[str, dict[str, str]] = {}
        for row in results:
            if row['mode'] == mode:
                mark = '' if row['teacher'] in UNIQUE else ' *'
                line = rows.setdefault(row['teacher'], dict(teacher=f'`{row["teacher"]}`{mark}'))
                text = str(row['right_class'])
                if row['right_operation'] < row['right_class']:
                    text += f' ({row["right_operation"]})'
                line[row['edge']] = text
        parts.append(f'**{mode}**, of {seeds} seeds\n\n{markdown_table(list(rows.values()))}')
    return '\n\n'.join(parts)


def verdict(results: Sequence[dict[str, Any]], seeds: int) -> str:
    """How many of the teachers with a unique answer were found in nine of ten seeds."""
    lines = []
    for mode in dict.fromkeys(row['mode'] for row in results):
        rows = [row for row in results if row['mode'] == mode and row['teacher'] in UNIQUE]
        if not rows:
            continue
        good = sum(row['right_class'] >= 0.9 * seeds for row in rows)
        hits = sum(row['right_class'] for row in rows)
        itself = sum(row['right_operation'] for row in rows)
        lines.append(
            f'{mode.capitalize()}: {good} of {len(rows)} pairs of unique teacher and edge were found in at least 9 of '
            f'10 seeds; {hits} of {len(rows) * seeds} searches ended in the right class, {itself} at the operation '
            'itself.'
        )
    return ' '.join(lines)


def main() -> None:
    """Search everything, then print and write."""
    args = parse_args()
    if args.write:
        around_markers(args.write, MARK)
    modes = ('frozen', 'trainable') if args.trainable else ('frozen',)
    cells = [(m, t, e) for m in modes for t in args.teachers for e in args.edges]
    results = []
    start = time.monotonic()
    with tqdm(total=len(cells) * args.seed_count, unit='search') as progress:
        for mode, teacher, edge in cells:
            progress.set_description(f'{mode} {teacher} {edge}')
            runs = []
            for seed in range(args.first_seed, args.first_seed + args.seed_count):
                runs.append(search(edge, teacher, mode == 'trainable', seed, args))
                progress.update()
            results.append(dict(mode=mode, teacher=teacher, edge=edge, **summarize(runs, teacher)))
    minutes = (time.monotonic() - start) / 60
    machine, command = describe_machine(), shlex.join(['python', *sys.argv])
    names = (
        'first_seed',
        'steps',
        'alpha_lr',
        'weight_lr',
        'weight_decay',
        'batch_size',
        'size',
    )
    report = dict(
        command=command,
        machine=machine,
        minutes=round(minutes, 1),
        settings=dict(seeds=args.seed_count, **{name: getattr(args, name) for name in names}),
        results=results,
    )
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=1) + '\n', encoding='utf-8')
    facts = ', '.join(f'{key} {value}' for key, value in machine.items())
    text = (
        f'{tables(results, args.seed_count)}\n\n{verdict(results, args.seed_count)}\n\n'
        f'{minutes:.1f} minutes; {facts}. `{command}`'
    )
    print(text)
    if args.write:
        write_between_markers(args.write, MARK, text)


if __name__ == '__main__':
    with friendly_errors():
        main()
