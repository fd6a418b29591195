"""What a regulariser costs in training: time and memory of a step of its host with it and without.

Example:
    python tools/analysis_tools/benchmark_regularizer.py
    python tools/analysis_tools/benchmark_regularizer.py my_erl_config.py --size 256 --batch-size 4 --json cost.json
    python tools/analysis_tools/benchmark_regularizer.py --device cuda --precision bfloat16

Takes any config with `model.regularizer`. A step is forward, backward and optimizer of the config, on random pictures
with random references. Both hosts start from the same random weights, and learning rates are 0, so every step computes
the same. Steps with and without take turns, the first of each round being the second of the next, so other work on the
machine meets both alike. Shown are the medians of their times, and the median of the ratios of the rounds with the
ends of their middle half; on the CPU the same of the processor time, which other work on the machine does not touch
where `--threads` is 1. A regulariser whose weights an upstream run would train gets random ones: they cost the same.

`peak` is what a step allocates at most beyond what lies there between steps, as PyTorch's allocators count it; what
lies there anyway for the regulariser's sake is in the column `weights`. Enhancers and regularisers run in float32
whatever the precision is; it concerns what else a model has.

Testing costs nothing more: the regulariser is no part of the host then.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# threads of torch that spin while they wait take the time of others; read when torch is imported
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.structures import BaseDataElement, PixelData  # noqa: E402
from torch import nn  # noqa: E402

from llv.benchmark.report import describe_machine  # noqa: E402
from llv.benchmark.speed import now  # noqa: E402
from llv.models.regularizers.module_file import build_module  # noqa: E402
from llv.models.regularizers.sample_relation_loss import SampleRelationLoss  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.utils.arguments import count, new_file  # noqa: E402
from llv.utils.config import load_config  # noqa: E402
from llv.utils.errors import friendly_errors  # noqa: E402
from llv.utils.markdown import markdown_table  # noqa: E402

HOSTS = tuple(f'llv::erl/{host}_sice.py' for host in ('drbn', 'drbn-enc', 'eclnet', 'fecnet'))
PRECISIONS = ('float32', 'bfloat16', 'float16')
VARIANTS = ('without', 'with')
MIB = 2**20


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'configs',
        nargs='*',
        default=list(HOSTS),
        metavar='CONFIG',
        help=f'configs with `model.regularizer` (default: {" ".join(HOSTS)})',
    )
    parser.add_argument(
        '--size',
        type=count,
        metavar='PIXELS',
        help="side of the square pictures (default: config's)",
    )
    parser.add_argument(
        '--batch-size', type=count, metavar='N', help="pictures a step (default: config's)"
    )
    parser.add_argument(
        '--rounds',
        type=count,
        default=9,
        metavar='N',
        help='times that each is timed (default: %(default)s)',
    )
    parser.add_argument(
        '--device',
        choices=('cpu', 'cuda'),
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where to measure (default: cuda where there is one)',
    )
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='float32',
        help='of mixed-precision training (default: %(default)s, without)',
    )
    parser.add_argument(
        '--threads', type=count, default=1, metavar='N', help='of the CPU (default: %(default)s)'
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    with friendly_errors():
        args = parse_args(arguments)
        MMLogger.get_current_instance().setLevel('ERROR')  # random weights are meant
        check_device(args.device, args.precision)
        torch.set_num_threads(args.threads)
        read = {name: read_host(name, args) for name in args.configs}
        rows = []
        for name, (cfg, size, batch_size) in read.items():
            with tempfile.TemporaryDirectory() as folder:
                fill_regularizer(cfg, folder)
                head = dict(host=name, pictures=f'{batch_size} × {size}²')
                rows.append({**head, **measure(cfg, size, batch_size, args)})
        machine = describe_machine()
        print(report(rows, machine, args))
        if args.json:
            about = dict(device=args.device, precision=args.precision, rounds=args.rounds)
            args.json.parent.mkdir(parents=True, exist_ok=True)
            figures = dict(machine=machine, **about, rows=rows)
            args.json.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')


def check_device(device: str, precision: str) -> None:
    """Whether the machine can do that.

    Raises:
        ValueError: It cannot.
    """
    if device == 'cuda' and not torch.cuda.is_available():
        raise ValueError(
            '`--device cuda` needs a GPU, and PyTorch finds none; take `--device cpu`.'
        )
    if device == 'cpu' and precision == 'float16':
        raise ValueError(
            '`--precision float16` needs a GPU; take `--precision bfloat16` on the CPU.'
        )


def read_host(name: str, args: argparse.Namespace) -> tuple[Config, int, int]:
    """Config without learning and without weights to start from, side of its pictures, pictures a step.

    Raises:
        ValueError: It has no regulariser, is no training, or tells no size.
    """
    cfg = load_config(name)
    if not cfg.get('model') or not cfg.model.get('regularizer'):
        raise ValueError(f'The config `{name}` has no `model.regularizer`; name one that has.')
    for key in ('optim_wrapper', 'train_dataloader'):
        if not cfg.get(key):
            raise ValueError(f'The config `{name}` has no `{key}`; name one of a whole training.')
    size = args.size or crop_of(cfg.train_dataloader)
    if size is None:
        raise ValueError(
            f'The config `{name}` trains on no square crops; give `--size`, the side of the pictures.'
        )
    if cfg.model.get('enhancer', {}).get('weights'):
        cfg.model.enhancer.weights = None
    wrapper = cfg.optim_wrapper
    wrapper.optimizer.lr = 0.0
    for key in ('type', 'loss_scale', 'dtype'):
        wrapper.pop(key, None)
    if args.precision != 'float32':
        wrapper.type = 'llv.Bfloat16OptimWrapper' if args.device == 'cpu' else 'AmpOptimWrapper'
        if args.device == 'cuda':
            wrapper.dtype = args.precision
    return cfg, size, args.batch_size or cfg.train_dataloader.batch_size


def crop_of(node: Any) -> int | None:
    """Side of the square that a pipeline somewhere in a data loader's config cuts out."""
    if isinstance(node, Mapping):
        if str(node.get('type')).endswith('RandomCrop') and 'size' in node:
            height, width = node['size']
            return height if height == width else None
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return None
    return next((side for side in map(crop_of, node) if side is not None), None)


def fill_regularizer(cfg: Config, folder: str) -> None:
    """Write random weights for a relation loss whose own are yet to be trained."""
    regularizer = cfg.model.regularizer
    kind = regularizer['type']
    kind = kind if isinstance(kind, type) else MODELS.get(kind)
    if kind is SampleRelationLoss and not regularizer.get('weights'):
        torch.manual_seed(0)
        state = build_module(regularizer.get('module')).state_dict()
        file = f'{folder}/module.pth'
        torch.save({f'module.{name}': tensor for name, tensor in state.items()}, file)
        regularizer.weights = file


def measure(cfg: Config, size: int, batch_size: int, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds and bytes of a step with and without, and their ratios."""
    device = torch.device(args.device)
    models = build_variants(cfg, device)
    batch = random_batch(size, batch_size)
    steps = {name: training_step(model, cfg, batch, device) for name, model in models.items()}
    for step in steps.values():  # warms up, and reads the weights of the regulariser
        step()
    clocks = ('wall', 'cpu') if device.type == 'cpu' else ('wall',)
    times: dict[str, dict[str, list[float]]] = {c: {name: [] for name in VARIANTS} for c in clocks}
    for number in range(args.rounds):
        for name in VARIANTS if number % 2 else VARIANTS[::-1]:
            spent = steps[name]()
            for clock in clocks:
                times[clock][name].append(spent[clock])
    peak = {name: peak_memory(step, device) for name, step in steps.items()}
    return dict(
        times=times,
        **{clock: summary(times[clock]) for clock in clocks},
        peak=peak,
        peak_ratio=peak['with'] / peak['without'],
        weights=weight_bytes(models['with'].regularizer.loss),
    )


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Median seconds of both, median ratio of a round, and the ends of the middle half of these ratios."""
    ratios = sorted(b / a for a, b in zip(*(times[name] for name in VARIANTS), strict=True))
    quarter = len(ratios) // 4
    return dict(
        seconds={name: statistics.median(values) for name, values in times.items()},
        ratio=statistics.median(ratios),
        middle_half=[ratios[quarter], ratios[-1 - quarter]],
    )


def build_variants(cfg: Config, device: torch.device) -> dict[str, nn.Module]:
    """The host with and without its regulariser, from the same random weights, ready to train."""
    init_default_scope(cfg.get('default_scope') or 'llv')
    models = {}
    for name in VARIANTS:
        given = copy.deepcopy(cfg.model)
        if name == 'without':
            given.regularizer = None
        torch.manual_seed(0)
        models[name] = MODELS.build(given).to(device).train()
    return models


def random_batch(size: int, batch_size: int) -> dict[str, Any]:
    """Dark random pictures with brighter references, as a loader gives them."""
    generator = torch.Generator().manual_seed(0)
    inputs, samples = [], []
    for _ in range(batch_size):
        reference = 256 * torch.rand(3, size, size, generator=generator)
        inputs.append((reference / 3).to(torch.uint8))
        sample = BaseDataElement()
        data = PixelData(data=reference.to(torch.uint8))
        sample.set_field(data, 'reference', dtype=PixelData)
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def training_step(
    model: nn.Module, cfg: Config, batch: dict[str, Any], device: torch.device
) -> Callable[[], dict[str, float]]:
    """A function that trains a model on a batch once and gives its seconds, by the wall and of the processor."""
    optimizer = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))

    def run() -> dict[str, float]:
        given = copy.deepcopy(batch)
        wall, cpu = now(device), time.process_time()
        model.train_step(given, optimizer)
        spent = dict(wall=now(device) - wall, cpu=time.process_time() - cpu)
        # so that every step begins with as much memory as the first one
        optimizer.zero_grad(set_to_none=True)
        return spent

    return run


def peak_memory(run: Callable[[], Any], device: torch.device) -> int:
    """Bytes that a function has allocated at most at once, beyond what was there before."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        run()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'trace.json')
        profile.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding='utf-8'))['traceEvents']
    changes = [event for event in events if event.get('name') == '[memory]']
    held = peak = 0
    for change in sorted(changes, key=lambda event: event['ts']):
        held += change['args']['Bytes']
        peak = max(peak, held)
    return peak


def weight_bytes(regularizer: Any) -> int:
    """Bytes of what a regulariser keeps on the device: of itself, or of the module it judges by."""
    module = regularizer if isinstance(regularizer, nn.Module) else None
    module = module or getattr(regularizer, 'module', None)
    tensors = [] if module is None else [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def report(rows: list[dict[str, Any]], machine: dict[str, str], args: argparse.Namespace) -> str:
    """The table in Markdown."""
    facts = '; '.join(f'{name} {value}' for name, value in machine.items())
    table = markdown_table(
        [
            {
                'host': row['host'],
                'pictures': row['pictures'],
                **shown(row['wall'], ''),
                **(shown(row['cpu'], 'processor ') if 'cpu' in row else {}),
                **{f'peak {name}, MiB': f'{row["peak"][name] / MIB:.1f}' for name in VARIANTS},
                'ratio of peaks': f'{row["peak_ratio"]:.3f}',
                'weights, MiB': f'{row["weights"] / MIB:.1f}',
            }
            for row in rows
        ]
    )
    return (
        f'{facts}; on the {"GPU" if args.device == "cuda" else "CPU"} in {args.precision}; a training step, median of '
        f'{args.rounds} rounds.\n\n{table}'
    )


def shown(found: dict[str, Any], what: str) -> dict[str, str]:
    """Columns of the times by one clock."""
    low, high = found['middle_half']
    return {
        **{f'{what}{name}, ms': f'{1e3 * found["seconds"][name]:.1f}' for name in VARIANTS},
        f'{what}ratio': f'{found["ratio"]:.3f} ({low:.3f} … {high:.3f})',
    }


if __name__ == '__main__':
    main()
