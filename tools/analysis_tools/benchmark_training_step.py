"""What an enhancer in front of a detector costs in training, and whether loading the data keeps up.

Example:
    python tools/analysis_tools/benchmark_training_step.py
    python tools/analysis_tools/benchmark_training_step.py --detectors ssd300 --enhancers psenet ruas --loading
    python tools/analysis_tools/benchmark_training_step.py --detectors my_config.py --size 320 --json step.json

Three things are timed in turn, round after round, and the median of each is shown: a training step (forward,
backward, optimizer) of the detector alone; the same of the enhancer alone, with a given gradient at its output; and of
both together, the enhancer in the detector's preprocessor and trained with it. `together / sum` is 1 where putting them
together costs nothing. Pictures and boxes are random, weights too, and nothing is learned: learning rates are 0.

`--loading` trains the detector alone from JPEG files that are written for this, with the config's own pipeline, and
shows how long each step waits for its batch.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# threads of torch that spin while they wait take the time of the loader's workers; read when torch is imported
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402
from torch import nn  # noqa: E402

from llv.apis.plug import clear_pretrained, plug_enhancer  # noqa: E402
from llv.benchmark.report import describe_machine  # noqa: E402
from llv.benchmark.speed import now  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.utils.arguments import count, new_file, picture_size  # noqa: E402
from llv.utils.config import load_config  # noqa: E402
from llv.utils.errors import friendly_errors  # noqa: E402
from llv.utils.markdown import markdown_table  # noqa: E402

# config, side of its pictures, pictures a step
DETECTORS = {
    'ssd300': ('llv::ssd/ssd300_exdark_detector-only.py', 300, 4),
    'ssd-small': ('llv::night_scenes/ssd-small_night_detector-only.py', 192, 8),
}
BOXES = 6  # in a picture
CPU = torch.device('cpu')


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--detectors',
        nargs='+',
        default=list(DETECTORS),
        metavar='NAME_OR_CONFIG',
        help=f'{", ".join(DETECTORS)}, or configs (default: all named)',
    )
    parser.add_argument(
        '--enhancers',
        nargs='+',
        default=['psenet', 'ruas'],
        metavar='NAME_OR_CONFIG',
        help='what to put in front of each (default: psenet ruas)',
    )
    parser.add_argument(
        '--size',
        type=count,
        metavar='PIXELS',
        help="side of the square pictures (default: the detector's)",
    )
    parser.add_argument(
        '--batch-size', type=count, metavar='N', help="pictures a step (default: the detector's)"
    )
    parser.add_argument(
        '--rounds',
        type=count,
        default=7,
        metavar='N',
        help='times that each is timed (default: %(default)s)',
    )
    parser.add_argument(
        '--threads', type=count, default=1, metavar='N', help='of the CPU (default: %(default)s)'
    )
    parser.add_argument('--loading', action='store_true', help='also time loading the data')
    parser.add_argument(
        '--workers',
        type=count,
        default=2,
        metavar='N',
        help='processes that load, with --loading (default: %(default)s)',
    )
    parser.add_argument(
        '--file-size',
        type=picture_size,
        default=(480, 640),
        metavar='HxW',
        help='height x width of the files of --loading (default: 480x640)',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    with friendly_errors():
        args = parse_args(arguments)
        MMLogger.get_current_instance().setLevel('ERROR')  # random weights are meant
        torch.set_num_threads(args.threads)
        steps, loading = [], []
        for name in args.detectors:
            cfg, size, batch_size = read_detector(name, args)
            for enhancer in args.enhancers:
                head = dict(detector=name, enhancer=enhancer, pictures=f'{batch_size} × {size}²')
                steps.append({**head, **measure_step(cfg, enhancer, size, batch_size, args.rounds)})
            if args.loading:
                head = dict(detector=name, pictures=f'{batch_size} × {size}²')
                with tempfile.TemporaryDirectory() as folder:
                    loading.append({**head, **measure_loading(cfg, batch_size, args, folder)})
        machine = describe_machine()
        print(report(steps, loading, machine, args))
        if args.json:
            figures = dict(machine=machine, rounds=args.rounds, steps=steps, loading=loading)
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')


def read_detector(name: str, args: argparse.Namespace) -> tuple[Config, int, int]:
    """Config of a detector with random weights and without learning, side of its pictures, pictures a step."""
    config, size, batch_size = DETECTORS.get(name, (name, None, 4))
    cfg = load_config(config)
    for key in ('model', 'optim_wrapper', 'train_dataloader'):
        if not cfg.get(key):
            raise ValueError(f'The config `{name}` has no `{key}`; name one of a whole training.')
    if 'num_classes' not in (cfg.model.get('bbox_head') or {}):
        raise ValueError(
            f'`{name}` is no one-stage detector: its model has no `bbox_head`; name one, segmentors are not timed here.'
        )
    if size is None and args.size is None:
        raise ValueError(f'`--size` is needed for the config `{name}`; give the side it trains at.')
    clear_pretrained(cfg)
    cfg.optim_wrapper.optimizer.lr = 0.0
    return cfg, args.size or size, args.batch_size or batch_size


def measure_step(
    cfg: Config, enhancer: str, size: int, batch_size: int, rounds: int
) -> dict[str, Any]:
    """Seconds of a training step of the detector, of the enhancer and of both, and together / sum."""
    alone, both = build(cfg), build(plug_enhancer(cfg, enhancer))
    batch = random_batch(cfg, size, batch_size)
    runs = dict(
        detector=training_step(alone, cfg, batch),
        enhancer=enhancer_step(build(plug_enhancer(cfg, enhancer)), cfg, batch),
        together=training_step(both, cfg, batch),
    )
    for run in runs.values():  # warms up
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run())
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians['together'] / (medians['detector'] + medians['enhancer'])
    return dict(seconds=medians, ratio=ratio, times=times)


def build(cfg: Config) -> nn.Module:
    """The model of a config, ready to train."""
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.init_weights()
    return model.train()


def random_batch(cfg: Config, size: int, batch_size: int) -> dict[str, Any]:
    """Dark random pictures with random boxes, as a loader gives them."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes

    generator = torch.Generator().manual_seed(0)
    inputs, samples = [], []
    for _ in range(batch_size):
        picture = 80 * torch.rand(3, size, size, generator=generator)
        inputs.append(picture.to(torch.uint8))
        corners = 0.6 * size * torch.rand(BOXES, 2, generator=generator)
        sides = size * (0.1 + 0.3 * torch.rand(BOXES, 2, generator=generator))
        labels = torch.randint(cfg.model.bbox_head.num_classes, (BOXES,), generator=generator)
        sample = DetDataSample(
            metainfo=dict(img_shape=(size, size), ori_shape=(size, size), scale_factor=(1.0, 1.0))
        )
        sample.gt_instances = InstanceData(
            bboxes=HorizontalBoxes(torch.cat([corners, corners + sides], 1)), labels=labels
        )
        sample.ignored_instances = InstanceData(
            bboxes=HorizontalBoxes(torch.zeros(0, 4)), labels=torch.zeros(0, dtype=torch.long)
        )
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def training_step(model: nn.Module, cfg: Config, batch: dict[str, Any]) -> Callable[[], float]:
    """A function that trains a model on a batch once and gives the seconds of that."""
    optimizer = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))

    def run() -> float:
        given = copy.deepcopy(batch)  # a step writes into its samples
        start = now(CPU)
        model.train_step(given, optimizer)
        return now(CPU) - start

    return run


def enhancer_step(model: nn.Module, cfg: Config, batch: dict[str, Any]) -> Callable[[], float]:
    """The same for the enhancer of a model by itself, with a random gradient at its output.

    What the preprocessor does for it (bytes to [0, 1] and back) is part of it, the base preprocessor is not.
    """
    preprocessor = model.data_preprocessor
    enhancer = preprocessor.enhancer
    preprocessor.base = KeepsBatch()
    learns = any(parameter.requires_grad for parameter in enhancer.parameters())
    optimizer = build_optim_wrapper(enhancer, copy.deepcopy(cfg.optim_wrapper)) if learns else None
    gradients: list[torch.Tensor] = []

    def run() -> float:
        start = now(CPU)
        lit = preprocessor(dict(inputs=batch['inputs']), True)['inputs']
        if learns:
            if not gradients:
                gradients.extend(torch.randn_like(picture) * 1e-3 for picture in lit)
            pairs = zip(lit, gradients, strict=True)
            optimizer.update_params(sum((picture * g).sum() for picture, g in pairs))
        return now(CPU) - start

    return run


class KeepsBatch(nn.Module):
    """A base preprocessor that hands over what it is given."""

    def forward(self, data: dict, training: bool = False) -> dict:
        """The batch as it is."""
        return data


def measure_loading(
    cfg: Config, batch_size: int, args: argparse.Namespace, folder: str
) -> dict[str, Any]:
    """Seconds that training steps of the detector take and wait for their batches."""
    cfg = copy.deepcopy(cfg)
    steps = args.rounds + 1
    classes = tuple(f'class {k}' for k in range(cfg.model.bbox_head.num_classes))
    write_files(Path(folder), (steps + args.workers * 2) * batch_size, args.file_size, classes)
    dataset = cfg.train_dataloader.dataset
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset.dataset
    loader = dict(
        batch_size=batch_size,
        num_workers=args.workers,
        persistent_workers=True,
        sampler=dict(type='mmengine.DefaultSampler', shuffle=True),
        dataset=dict(
            type='mmdet.CocoDataset',
            metainfo=dict(classes=classes),
            data_root=folder,
            ann_file='annotations.json',
            data_prefix=dict(img='pictures/'),
            pipeline=dataset.pipeline,
        ),
    )
    model = build(cfg)
    optimizer = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    batches = iter(Runner.build_dataloader(loader, seed=0))
    waits, times = [], []
    for _ in range(steps):
        start = time.perf_counter()
        batch = next(batches)
        ready = time.perf_counter()
        model.train_step(batch, optimizer)
        waits.append(ready - start)
        times.append(time.perf_counter() - ready)
    # workers start during the first
    waits, times = waits[1:], times[1:]
    return dict(
        workers=args.workers,
        seconds=statistics.median(times),
        waiting=statistics.median(waits),
        share=sum(waits) / sum(times),
    )


def write_files(folder: Path, count: int, size: tuple[int, int], classes: tuple[str, ...]) -> None:
    """JPEG files with boxes in COCO's format; smooth with a little noise, so that decoding costs what photos cost."""
    rng = np.random.default_rng(0)
    height, width = size
    (folder / 'pictures').mkdir()
    images, annotations = [], []
    for k in range(count):
        smooth = cv2.resize(rng.integers(0, 80, (9, 12, 3), np.uint8), (width, height))
        picture = cv2.add(smooth, rng.integers(0, 12, (height, width, 3), np.uint8))
        cv2.imwrite(str(folder / 'pictures' / f'{k}.jpg'), picture)
        images.append(dict(id=k, file_name=f'{k}.jpg', height=height, width=width))
        for _ in range(BOXES):
            x, y = rng.uniform(0, 0.6, 2) * (width, height)
            w, h = rng.uniform(0.1, 0.4, 2) * (width, height)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=k,
                    category_id=int(rng.integers(len(classes))),
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                )
            )
    categories = [dict(id=k, name=name) for k, name in enumerate(classes)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (folder / 'annotations.json').write_text(json.dumps(content), encoding='utf-8')


def report(
    steps: list[dict[str, Any]],
    loading: list[dict[str, Any]],
    machine: dict[str, str],
    args: argparse.Namespace,
) -> str:
    """The tables in Markdown."""
    facts = '; '.join(f'{name} {value}' for name, value in machine.items())
    lines = [
        f'{facts}; median of {args.rounds}, milliseconds a step.',
        '',
        markdown_table(
            [
                {
                    'detector': row['detector'],
                    'pictures': row['pictures'],
                    'enhancer': row['enhancer'],
                    **{f'{k}, ms': f'{1e3 * v:.1f}' for k, v in row['seconds'].items()},
                    'together / sum': f'{row["ratio"]:.3f}',
                }
                for row in steps
            ]
        ),
    ]
    if loading:
        lines += [
            '',
            markdown_table(
                [
                    {
                        'detector': row['detector'],
                        'pictures': row['pictures'],
                        'workers': str(row['workers']),
                        'step, ms': f'{1e3 * row["seconds"]:.1f}',
                        'waiting for data, ms': f'{1e3 * row["waiting"]:.1f}',
                        'waiting / step': f'{row["share"]:.3f}',
                    }
                    for row in loading
                ]
            ),
        ]
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
