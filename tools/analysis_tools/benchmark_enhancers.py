"""How fast enhancers are, how much memory they need, and how they compare with the published sequence of operations.

Example:
    python tools/analysis_tools/benchmark_enhancers.py --enhancers psenet zero_dce --against-plain
    python tools/analysis_tools/benchmark_enhancers.py --enhancers ruas:lol.pt@version=RUAS_A --sizes 400x600
    python tools/analysis_tools/benchmark_enhancers.py --against-plain --write docs/benchmark.md --json benchmark.json

An enhancer is written NAME[:WEIGHTS][@KEY=VALUE,...]. All of one size and batch are timed in turn, round after round,
in one process, and the median of each is shown, so that other work on the machine meets them alike. Weights are random
(seed 0) unless given: no network here runs faster with others. Times are also shown as multiples of copying the
pictures once, which hardly depends on the machine.

Memory is the peak of what a forward pass holds beyond its input: on a CPU the running sum of the allocations that
PyTorch's profiler reports (scratch memory inside libraries is not in it), on a GPU what the allocator reports.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import itertools
import json
import os
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# the profiler reports its own doings on standard error; read when torch is imported
os.environ.setdefault('KINETO_LOG_LEVEL', '99')

import torch  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from torch import Tensor  # noqa: E402

from llv.apis import enhancer_config, init_enhancer, registered_enhancers  # noqa: E402
from llv.models.enhancers.base import BaseEnhancer  # noqa: E402
from llv.models.enhancers.map_based import MapBasedEnhancer  # noqa: E402
from llv.utils.arguments import count, enhancer_entry, new_file, picture_size, positive  # noqa: E402
from llv.utils.complexity import count_macs, count_parameters  # noqa: E402
from llv.utils.errors import friendly_errors  # noqa: E402
from llv.utils.markdown import around_markers, markdown_table, write_between_markers  # noqa: E402
from llv.version import __version__  # noqa: E402

PLAIN_SEQUENCES = Path(__file__).parent / 'plain_sequences'

Forward = Callable[[Tensor], Tensor]


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--enhancers',
        nargs='+',
        type=enhancer_entry,
        metavar='ENHANCER',
        help='names, Python files that define one, or config files, with weights and options (default: all '
        'registered ones)',
    )
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=picture_size,
        default=[(400, 600), (720, 1080)],
        metavar='HxW',
        help='height x width of the pictures (default: 400x600 720x1080)',
    )
    parser.add_argument(
        '--batch-sizes',
        nargs='+',
        type=count,
        default=[1],
        metavar='N',
        help='pictures at a time (default: 1)',
    )
    parser.add_argument(
        '--estimate-scales',
        nargs='+',
        type=positive,
        default=[1.0, 0.5, 0.25],
        metavar='SCALE',
        help='for enhancers that predict maps (default: 1 0.5 0.25)',
    )
    parser.add_argument(
        '--compile', action='store_true', help='also a row with `torch.compile`, where that works'
    )
    parser.add_argument(
        '--against-plain', action='store_true', help='also time the published sequence'
    )
    parser.add_argument(
        '--device',
        default='cpu',
        metavar='DEVICE',
        help='such as `cuda:0` (default: %(default)s)',
    )
    parser.add_argument(
        '--threads', type=count, default=1, metavar='N', help='of the CPU (default: %(default)s)'
    )
    parser.add_argument(
        '--rounds',
        type=count,
        default=5,
        metavar='N',
        help='times that each is timed (default: %(default)s)',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    parser.add_argument(
        '--write', metavar='PAGE', help='put the table between the markers `benchmark` of a page'
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    with friendly_errors():
        args = parse_args(arguments)
        if args.write:  # before hours of measuring
            around_markers(args.write, 'benchmark')
        MMLogger.get_current_instance().setLevel('ERROR')  # random weights are meant
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        entries = collect(args)
        rows = []
        for size, batch in itertools.product(args.sizes, args.batch_sizes):
            rows += measure(entries, size, batch, args)
        text = report(rows, args)
        print(text)
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            figures = dict(machine=machine(args), rows=rows)
            args.json.write_text(json.dumps(figures, indent=2) + '\n', encoding='utf-8')
        if args.write:
            write_between_markers(args.write, 'benchmark', text)


def collect(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What to time: an entry for each enhancer, estimate scale, plain sequence and compiled form."""
    if args.enhancers:
        asked = args.enhancers
    else:
        asked = []
        for name, kind in sorted(registered_enhancers().items()):
            options = inspect.signature(kind).parameters.values()
            if all(option.default is not option.empty for option in options):
                asked.append((name, None, {}))
            else:
                print(f'`{name}` has options without a default; name it to measure it.')
    entries = []
    for name, weights, options in asked:
        # the config first: it imports the file that registers the enhancer
        registered = enhancer_config(name)['type']
        kind = registered_enhancers()[registered]
        told = options if weights is None else dict(options, weights=weights)
        label = kind.__name__ + ''.join(f' {key}={value}' for key, value in told.items())
        scales = args.estimate_scales if issubclass(kind, MapBasedEnhancer) else [1.0]
        for scale in scales:
            given = dict(options) if scale == 1 else dict(options, estimate_scale=scale)
            torch.manual_seed(0)
            enhancer = init_enhancer(name, weights, args.device, **given)
            shared = dict(label=label, enhancer=enhancer, scale=scale)
            plain = plain_sequence(kind) if args.against_plain and scale == 1 else None
            entries.append(dict(shared, form='', run=forward_of(enhancer), plain=plain))
            if args.compile:
                compiled = torch.compile(forward_of(enhancer), dynamic=False)
                entries.append(dict(shared, form='compiled', run=compiled, plain=None))
    return entries


def forward_of(enhancer: BaseEnhancer) -> Forward:
    """What is timed: all that a caller waits for."""
    return lambda images: enhancer(images).image


def plain_sequence(kind: type[BaseEnhancer]) -> ModuleType | None:
    """The published sequence of operations of an enhancer, where there is one."""
    wanted = kind.__name__.lower()
    for path in sorted(PLAIN_SEQUENCES.glob('*.py')):
        if path.stem.replace('_', '') == wanted:
            spec = importlib.util.spec_from_file_location(f'plain_{path.stem}', path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return None


@torch.no_grad()
def measure(
    entries: list[dict[str, Any]], size: tuple[int, int], batch: int, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Figures of all entries at one size and batch; times in seconds, memory in bytes."""
    generator = torch.Generator().manual_seed(0)
    images = 0.3 * torch.rand(batch, 3, *size, generator=generator)
    images = images.to(args.device)
    runs: dict[Any, Forward] = {'copy': torch.Tensor.clone}
    rows = []
    for k, entry in enumerate(entries):
        enhancer = entry['enhancer']
        row = dict(
            enhancer=entry['label'],
            form=entry['form'],
            estimate_scale=entry['scale'],
            size=size,
            batch_size=batch,
            parameters=count_parameters(enhancer),
            macs=None,
        )
        rows.append(row)
        try:
            result = entry['run'](images)  # also warms up
        except Exception as error:  # compilation and libraries fail in any way: told in the table
            lines = str(error).strip().splitlines() or ['']
            row['failed'] = f'{type(error).__name__}: {lines[0][:120]}'
            continue
        row['peak_memory'] = peak_memory(entry['run'], images)
        runs[k] = entry['run']
        if entry['plain'] is not None:
            runs[k, 'plain'] = lambda x, e=entry: e['plain'].forward(e['enhancer'], x)
            plain = runs[k, 'plain'](images).clamp(0, 1)  # not all of them clamp
            row['plain_difference'] = (plain - result).abs().max().item()
            row['plain_peak_memory'] = peak_memory(runs[k, 'plain'], images)
        if entry['form'] == '' and images.device.type == 'cpu':
            row['macs'] = count_macs(enhancer, size, batch)

    times: dict[Any, list[float]] = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            times[name].append(seconds(run, images))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for k, row in enumerate(rows):
        if k in medians:
            row.update(seconds=medians[k], copies=medians[k] / medians['copy'])
        if (k, 'plain') in medians:
            row.update(plain_seconds=medians[k, 'plain'], of_plain=medians[k] / medians[k, 'plain'])
    return rows


def seconds(run: Forward, images: Tensor) -> float:
    """Time of one call."""
    synchronize(images)
    start = time.perf_counter()
    run(images)
    synchronize(images)
    return time.perf_counter() - start


def synchronize(images: Tensor) -> None:
    """Wait for the accelerator."""
    if images.device.type == 'cuda':
        torch.cuda.synchronize(images.device)


def peak_memory(run: Forward, images: Tensor) -> int:
    """Most bytes that a call holds at once beyond its input, its result included."""
    if images.device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(images.device)
        before = torch.cuda.memory_allocated(images.device)
        run(images)
        return torch.cuda.max_memory_allocated(images.device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        result = run(images)
    del result
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / 'trace.json'
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding='utf-8', errors='replace'))['traceEvents']
    changes = [event for event in events if event.get('name') == '[memory]']
    changes.sort(key=lambda event: (event['ts'], event['args'].get('Ev Idx', 0)))
    held = itertools.accumulate(event['args']['Bytes'] for event in changes)
    return max(held, default=0)


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures were measured on."""
    if torch.device(args.device).type == 'cuda':
        device = torch.cuda.get_device_name(args.device)
    else:
        device = f'{processor()}, {args.threads} thread{"s" * (args.threads > 1)}'
    return dict(
        device=device,
        torch=torch.__version__,
        llv=__version__,
        rounds=args.rounds,
        dtype='float32',
    )


def processor() -> str:
    """Name of the CPU."""
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8')
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(r'^model name\s*: (.+)$', text, re.M)
    return match[1].strip() if match else platform.machine()


def report(rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """The Markdown table and what it was measured on."""
    about = machine(args)
    lines = [
        f'{about["device"]}; PyTorch {about["torch"]}, llv {about["llv"]}, float32, median of {about["rounds"]}.',
        '',
        markdown_table([cells(row, args.against_plain) for row in rows]),
    ]
    failures = [
        f'* {row["enhancer"]} {row["form"]}: {row["failed"]}' for row in rows if 'failed' in row
    ]
    if failures:
        lines += ['', 'Failed:', '', *dict.fromkeys(failures)]
    return '\n'.join(lines)


def cells(row: dict[str, Any], against_plain: bool) -> dict[str, str]:
    """One row of the table; what was not measured is a dash."""

    def show(name: str, form: str, factor: float = 1) -> str:
        return '–' if row.get(name) is None else format(row[name] * factor, form)

    height, width = row['size']
    texts = {
        'enhancer': f'`{row["enhancer"]}`' + (f' {row["form"]}' if row['form'] else ''),
        'estimate scale': f'{row["estimate_scale"]:g}',
        'pictures': f'{row["batch_size"]} × {height}×{width}',
        'ms': show('seconds', '.1f', 1e3),
        'copies': show('copies', '.0f'),
        'peak MiB': show('peak_memory', '.1f', 2**-20),
        'parameters': f'{row["parameters"]:,}',
        'GMACs': show('macs', '.3f', 1e-9),
    }
    if 'failed' in row:
        texts['ms'] = 'failed'
    if against_plain:
        texts.update(
            {
                'time / plain': show('of_plain', '.2f'),
                'memory / plain': '–'
                if 'plain_peak_memory' not in row
                else f'{row["peak_memory"] / max(row["plain_peak_memory"], 1):.2f}',
                'difference to plain': show('plain_difference', '.1e'),
            }
        )
    return texts


if __name__ == '__main__':
    main()
