"""How a face detector behind enhancers bears wrong exposure: faces re-rendered at several gammas, low ones too dark and
high ones too bright, and the true-positive rate at 500 false positives of FDDB's evaluation over gamma, one curve for
each enhancer.

Example:
    python tools/analysis_tools/fddb_gamma.py configs/fddb/dsfd_fddb.py dsfd_wider.pth --data data/FDDB \\
        --enhancers none psenet-night-scenes zero_dce:weights.pth gamma@gamma=0.5 --work-dir work_dirs/fddb_gamma

The experiment follows PSENet (WACV 2023, section 5); its gammas, its formula and its detector are not published, so
that these are settings here and the curves are not to be compared with its figure. The detector and its weights stay as
they are; enhancers are frozen. `none` is the detector on the re-rendered pictures themselves.

An enhancer is written NAME[:WEIGHTS][@KEY=VALUE,...]. What is measured is kept in the work folder and taken from
there when the tool runs again; settings that change are measured anew, pictures and weights that change under the same
name are not noticed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from llv.apis import plug_enhancer
from llv.datasets.transforms.render_exposure import FORMS
from llv.engine.runner import test, use_tta
from llv.engine.settings import RunOptions
from llv.engine.upstream import separate_runs
from llv.utils.arguments import count, enhancer_entry, new_folder, positive
from llv.utils.config import KeyValueAction, load_config
from llv.utils.errors import friendly_errors
from llv.utils.markdown import markdown_table
from llv.visualization.curves import plot_curves

# ours: steps of about 1.6 to both sides of 1
GAMMAS = (0.25, 0.4, 0.63, 1.0, 1.6, 2.5, 4.0)
META_KEYS = ('name', 'ellipses')
NONE = 'none'


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config', metavar='CONFIG', help='config of a face detector, a file or package::…'
    )
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='weights of the detector')
    parser.add_argument(
        '--work-dir',
        type=new_folder,
        default=Path('work_dirs/fddb_gamma'),
        metavar='DIR',
        help='folder for everything (default: %(default)s)',
    )
    parser.add_argument(
        '--data',
        metavar='DIR',
        help='folder in the format of FDDB (default: the test set of the config, an `llv.FDDBDataset`)',
    )
    parser.add_argument(
        '--gammas',
        type=positive,
        nargs='+',
        default=list(GAMMAS),
        metavar='GAMMA',
        help=f'exposures to render (default: {" ".join(map(str, GAMMAS))})',
    )
    parser.add_argument(
        '--form',
        choices=FORMS,
        default='inverted',
        help='how gamma is applied (default: %(default)s)',
    )
    parser.add_argument(
        '--enhancers',
        nargs='+',
        default=[NONE, 'psenet-night-scenes'],
        metavar='ENHANCER',
        help=f'a curve each (default: {NONE} psenet-night-scenes)',
    )
    parser.add_argument(
        '--max-fp',
        type=count,
        metavar='N',
        help='number of false positives (default: that of the config, else 500); small sets need a small one',
    )
    parser.add_argument('--tta', action='store_true', help='merge the predictions of several views')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='values that replace those of the config',
    )
    args = parser.parse_args()
    for name in ('gammas', 'enhancers'):
        values = getattr(args, name)
        if len(set(values)) < len(values):
            parser.error(f'`--{name}` names something twice; name each once')
    for text in args.enhancers:
        try:
            enhancer_entry(text)
        except argparse.ArgumentTypeError as error:
            parser.error(f'`--enhancers`: {error}')
    args.gammas.sort()
    return args


def cell_config(args: argparse.Namespace, enhancer: str, gamma: float) -> Config:
    """The config that tests one enhancer at one gamma; the folder is not yet in it.

    Raises:
        ValueError: The config tests on no faces in FDDB's format, or its pipeline is not as needed.
        FileNotFoundError, ImportError: As reading configs and enhancers.
    """
    cfg = load_config(args.config, args.cfg_options)
    if cfg.get('model') is None or not cfg.get('test_dataloader'):
        raise ValueError(
            f'`{args.config}` has no `model` or no `test_dataloader`; give the config of a detector.'
        )
    if enhancer != NONE:
        name, weights, options = enhancer_entry(enhancer)
        cfg = plug_enhancer(cfg, name, weights=weights, frozen=True, **options)
    loader = cfg.test_dataloader
    while 'pipeline' not in loader.dataset and 'dataset' in loader.dataset:
        loader = loader.dataset
    if args.data:
        loader.dataset = ConfigDict(
            type='llv.FDDBDataset',
            data_root=args.data,
            test_mode=True,
            pipeline=loader.dataset.pipeline,
        )
    elif str(loader.dataset.type).rpartition('.')[2] != 'FDDBDataset':
        raise ValueError(
            f'`{args.config}` tests on `{loader.dataset.type}`; name a folder in the format of FDDB '
            'with `--data`.'
        )
    if args.tta:
        use_tta(cfg)
    prepare_pipeline(loader.dataset.pipeline, dict(gamma=gamma, form=args.form))
    given = cfg.get('test_evaluator') or {}
    for part in given if isinstance(given, (list, tuple)) else [given]:
        if str(part.get('type')).rpartition('.')[2] == 'FDDBMetric':
            given = dict(part)
            break
    else:
        given = {}
    cfg.test_evaluator = {**given, 'type': 'llv.FDDBMetric', 'outfile_prefix': None}
    if args.max_fp is not None:
        cfg.test_evaluator.max_fp = args.max_fp
    cfg.setdefault('test_cfg', dict(type='TestLoop'))
    cfg.load_from = args.checkpoint
    return cfg


def prepare_pipeline(pipeline: list, exposure: dict[str, Any]) -> None:
    """Re-render right after loading, and let what the metric needs through; in place."""
    packing = list(steps_named(pipeline, 'PackDetInputs'))
    if not packing:
        raise ValueError('The test pipeline has no `PackDetInputs`; add it.')
    for step in packing:
        keys = step.get('meta_keys') or (
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'flip',
            'flip_direction',
        )
        step['meta_keys'] = tuple(dict.fromkeys((*keys, *META_KEYS)))
    loading = [
        k for k, step in enumerate(pipeline) if 'LoadImage' in str(step.get('type')).split('.')[-1]
    ]
    if not loading:
        raise ValueError('The test pipeline loads no picture; begin it with `LoadImageFromFile`.')
    pipeline.insert(loading[0] + 1, ConfigDict(type='llv.RenderExposure', **exposure))


def steps_named(node: Any, name: str) -> Iterator[dict]:
    """All transforms of a name, also inside of others."""
    if isinstance(node, dict):
        if str(node.get('type')).rpartition('.')[2] == name:
            yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from steps_named(item, name)


def measure(args: argparse.Namespace, enhancer: str, gamma: float, cfg: Config) -> dict[str, Any]:
    """The rates of one enhancer at one gamma, from its folder if they are there."""
    content = json.dumps([cfg.to_dict(), args.checkpoint], sort_keys=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()
    slug = re.sub(r'[^a-z0-9.]+', '-', enhancer.lower()).strip('-.')[:60]
    folder = args.work_dir / 'runs' / f'{slug}_gamma-{gamma:g}_{digest[:8]}'
    record = folder / 'result.json'
    if record.is_file():
        return json.loads(record.read_text(encoding='utf-8'))
    cfg.work_dir = str(folder)
    cfg.experiment_name = folder.name
    cfg.test_evaluator.outfile_prefix = str(folder / 'fddb')
    with separate_runs() as runners:
        runner = test(cfg, RunOptions())
        runners.append(runner)
        (metric,) = runner.test_evaluator.metrics
        rate, continuous = metric.rates.values()
        result = dict(
            enhancer=enhancer,
            gamma=gamma,
            max_fp=metric.max_fp,
            rate=rate,
            continuous=continuous,
            false_positives=int(metric.roc.false_positives.max(initial=0)),
            pictures=len(runner.test_dataloader.dataset),
        )
        del runner
    part = record.with_suffix('.part')
    part.write_text(json.dumps(result), encoding='utf-8')
    os.replace(part, record)  # a run that is interrupted leaves no half record
    return result


def write_report(args: argparse.Namespace, results: list[dict[str, Any]]) -> str:
    """Write CSV, JSON, markdown and the figures; returns the markdown."""
    (args.work_dir / 'fddb_gamma.json').write_text(
        json.dumps(
            dict(
                command=shlex.join(['python', *sys.argv]),
                config=args.config,
                checkpoint=args.checkpoint,
                form=args.form,
                results=results,
            ),
            indent=1,
        )
        + '\n',
        encoding='utf-8',
    )
    with open(args.work_dir / 'fddb_gamma.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(results[0]))
        writer.writeheader()
        writer.writerows(results)
    rates = {(row['enhancer'], row['gamma']): row['rate'] for row in results}
    max_fp, pictures = results[0]['max_fp'], results[0]['pictures']
    table = markdown_table(
        [
            {
                'gamma': f'{gamma:g}',
                **{f'`{name}`': f'{rates[name, gamma]:.3f}' for name in args.enhancers},
            }
            for gamma in args.gammas
        ]
    )
    formula = dict(inverted='1 − (1 − I)^gamma', power='I^(1 / gamma)')[args.form]
    few = [row for row in results if row['false_positives'] < max_fp]
    note = (
        f'True-positive rate at {max_fp} false positives (FDDB, discrete), {pictures} pictures '
        f're-rendered as {formula}: below 1 darker, above 1 brighter. Gammas, formula and detector are '
        'ours, not those of PSENet, which are not published.'
    )
    if few:
        note += (
            f' {len(few)} of {len(results)} runs have fewer than {max_fp} false positives in all; '
            'their rate is the largest they reach.'
        )
    text = f'{table}\n\n{note}\n\n`{shlex.join(["python", *sys.argv])}`\n'
    (args.work_dir / 'fddb_gamma.md').write_text(text, encoding='utf-8')
    curves = {name: [(g, rates[name, g]) for g in args.gammas] for name in args.enhancers}
    figure = plot_curves(curves, f'TPR at {max_fp} false positives', 'gamma (dark to bright)')
    (axes,) = figure.axes
    axes.set_xscale('log')
    axes.set_xticks(args.gammas, [f'{gamma:g}' for gamma in args.gammas])
    axes.minorticks_off()
    axes.set_ylim(-0.02, 1.02)
    for suffix in ('png', 'svg'):
        figure.savefig(args.work_dir / f'fddb_gamma.{suffix}', dpi=200)
    return text


def main() -> None:
    """Measure what is not there yet, and write."""
    args = parse_args()
    cells = [(enhancer, gamma) for enhancer in args.enhancers for gamma in args.gammas]
    # all of them before the first run: a wrong name is told now, not after hours
    configs = [cell_config(args, *cell) for cell in cells]
    if not Path(args.checkpoint).expanduser().is_file():
        raise FileNotFoundError(f'The checkpoint `{args.checkpoint}` is not there; check the path.')
    args.work_dir.mkdir(parents=True, exist_ok=True)
    results = []
    for (enhancer, gamma), cfg in zip(cells, configs, strict=True):
        print(f'{enhancer} at gamma {gamma:g}', flush=True)
        results.append(measure(args, enhancer, gamma, cfg))
    print(write_report(args, results))


if __name__ == '__main__':
    with friendly_errors():
        main()
