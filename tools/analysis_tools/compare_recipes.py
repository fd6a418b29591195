"""Train enhancers by their recipes on night scenes and compare them with one gain and one gamma for all pictures.

Example:
    python tools/analysis_tools/compare_recipes.py configs/night_scenes/recipes.json \\
        --data data/night_scenes --write docs/recipes.md

An arms file is JSON: table name -> list of arms, each with `name`, `config` (relative to the file, or `package::…`)
and, where wanted, `options` (config values that replace those of the config) and `seeds`. What an arm builds on, a
search for instance, has the seed of the arm. Arms are trained one after the other; finished ones are kept in the work
folder and taken from there. Scores are means over the held-out pictures `val/night` against `val/day`; the gain and the
gamma are fitted on all of `train/night` and `train/day` by least squares.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from tqdm import tqdm

from llv.engine.runner import train
from llv.engine.settings import RunOptions
from llv.engine.upstream import separate_runs, upstream_digests
from llv.evaluation import PROTOCOLS, average, get_protocol, measure
from llv.models.enhancers import FixedGain, Gamma, Identity, MeanMatch, fit_gamma, fit_single_gain
from llv.utils.arguments import count, new_file, new_folder
from llv.utils.config import KeyValueAction, load_config
from llv.utils.errors import friendly_errors
from llv.utils.markdown import around_markers, markdown_table, write_between_markers
from llv.utils.pictures import read_picture, to_tensor

METRICS = ('psnr', 'ssim')
Lights = Callable[[torch.Tensor], torch.Tensor]


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'arms', type=Path, metavar='ARMS', help='JSON file that lists what to train'
    )
    parser.add_argument(
        '--tables', nargs='+', metavar='TABLE', help='only these tables of the file (default: all)'
    )
    parser.add_argument(
        '--data',
        type=Path,
        default=Path('data/night_scenes'),
        metavar='DIR',
        help='folder of the scenes (default: %(default)s)',
    )
    parser.add_argument(
        '--work-dir',
        type=new_folder,
        default=Path('work_dirs/recipes'),
        metavar='DIR',
        help='folder of the runs (default: %(default)s)',
    )
    parser.add_argument(
        '--max-pictures',
        type=count,
        metavar='N',
        help='held-out pictures to measure (default: all)',
    )
    parser.add_argument(
        '--protocol',
        default='skimage',
        choices=PROTOCOLS,
        help='rules of PSNR and SSIM (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='values that replace those of the config of every arm',
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help='put each table between the marks `begin TABLE` and `end TABLE` of a page',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    return parser.parse_args()


def read_arms(path: Path, tables: list[str] | None) -> dict[str, list[dict[str, Any]]]:
    """The arms of a file, with configs that hold from anywhere."""
    if not path.is_file():
        raise FileNotFoundError(f'The arms file `{path}` is not there; check the path.')
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:  # no JSON, or no text
        raise ValueError(f'`{path}` is no JSON file ({error}); mend it.') from error
    if not isinstance(found, dict) or not all(isinstance(arms, list) for arms in found.values()):
        raise ValueError(f'`{path}` must hold an object of table names and lists of arms.')
    for name in tables or []:
        if name not in found:
            raise ValueError(f'`{path}` has no table `{name}`; it has {", ".join(found)}.')
    chosen = {name: found[name] for name in tables or found}
    for name, arms in chosen.items():
        for arm in arms:
            check_arm(arm, f'an arm of `{name}` in `{path}`')
            if '::' not in arm['config']:
                arm['config'] = str((path.parent / arm['config']).resolve())
            read_recipe(arm)
    return chosen


def check_arm(arm: Any, title: str) -> None:
    """Raise a ValueError for an arm that is not as the text above says."""
    if not isinstance(arm, dict) or not all(
        isinstance(arm.get(k), str) for k in ('name', 'config')
    ):
        raise ValueError(f'{title} has no `name` or no `config`; give it both.')
    unknown = sorted(arm.keys() - {'name', 'config', 'options', 'seeds'})
    if unknown:
        raise ValueError(
            f'{title} takes no `{unknown[0]}`, but `name`, `config`, `options`, `seeds`.'
        )
    seeds, options = arm.get('seeds', [0]), arm.get('options', {})
    if not isinstance(seeds, list) or not seeds or {type(seed) for seed in seeds} != {int}:
        raise ValueError(f'`seeds` of {title} must be a list of whole numbers, but got {seeds!r}.')
    if not isinstance(options, dict):
        raise ValueError(f'`options` of {title} must be an object, but got {options!r}.')


def read_recipe(arm: dict[str, Any], more: dict[str, Any] | None = None) -> Config:
    """The config of an arm with its options; `more` replaces them."""
    cfg = load_config(arm['config'], {**arm.get('options', {}), **(more or {})})
    if 'enhancer' not in cfg.get('model', {}):
        raise ValueError(f'`{arm["config"]}` trains no enhancer by itself: its model has none.')
    return cfg


def pairs(data: Path, split: str, count: int | None = None) -> list[tuple[Path, Path]]:
    """Night and day files of a split."""
    night = sorted((data / split / 'night').glob('*.png'))[:count]
    if not night:
        raise FileNotFoundError(
            f'`{data / split / "night"}` holds no picture; write them with tools/make_night_scenes.py.'
        )
    return [(path, data / split / 'day' / path.name) for path in night]


def column(files: list[tuple[Path, Path]], which: int, title: str) -> Iterator[torch.Tensor]:
    """The night (0) or day (1) pictures of some pairs."""
    for pair in tqdm(files, desc=title, disable=None):
        yield to_tensor(read_picture(pair[which]))


def score(light: Lights, files: list[tuple[Path, Path]], protocol: str) -> dict[str, float]:
    """Mean PSNR and SSIM of lit night pictures against day."""
    rules, rows = get_protocol(protocol), []
    for night, day in files:
        dark, reference = (to_tensor(read_picture(path)) for path in (night, day))
        with torch.no_grad():
            lit = light(dark[None])[0]
        rows.append(measure(lit, reference, METRICS, rules, str(night)))
    return average(rows)[0]


def controls(data: Path, files: list[tuple[Path, Path]], protocol: str) -> list[dict[str, Any]]:
    """Rows of what has no network."""
    fit = pairs(data, 'train')
    gain = fit_single_gain(column(fit, 0, 'gain'), column(fit, 1, 'gain'))
    gamma = fit_gamma(column(fit, 0, 'gamma'), column(fit, 1, 'gamma'))
    mean = torch.stack([x.mean((1, 2)) for x in column(fit, 1, 'mean')]).mean(0)
    rows = (
        ('as they are', Identity()),
        (f'best single gain ({gain:.2f})', FixedGain(gain)),
        (f'best single gamma ({gamma:.3f})', Gamma(gamma)),
        ('MeanMatch to the mean day', MeanMatch(target=mean.tolist())),
    )
    return [
        dict(name=name, **score(lambda x, e=enhancer: e(x).image, files, protocol))
        for name, enhancer in rows
    ]


def run(arm: dict[str, Any], seed: int, args: argparse.Namespace, data_root: str) -> dict[str, Any]:
    """Train one arm with one seed, or take what is there, and measure it."""
    cfg = read_recipe(arm, args.cfg_options)
    for key in ('val_cfg', 'val_dataloader', 'val_evaluator'):  # measured here
        cfg[key] = None
    for key in ('test_cfg', 'test_dataloader', 'test_evaluator'):
        cfg[key] = None
    cfg.randomness = dict(seed=seed)
    settings = args.data / 'dataset.json'  # which scenes, wherever they lie
    scenes = settings.read_text(encoding='utf-8') if settings.is_file() else ''
    content = json.dumps(
        [cfg.to_dict(), args.protocol, args.max_pictures, scenes, *chain_digests(cfg, seed)],
        sort_keys=True,
        default=str,
    )
    digest = hashlib.sha256(content.encode()).hexdigest()
    slug = re.sub(r'[^a-z0-9]+', '-', f'{Path(arm["config"]).stem} {arm["name"]}'.lower())
    folder = args.work_dir / f'{slug.strip("-")}_{digest[:8]}' / f'seed_{seed}'
    record = folder / 'result.json'
    if record.is_file():
        return json.loads(record.read_text(encoding='utf-8'))
    move_data(cfg._cfg_dict, data_root)
    cfg.work_dir = str(folder)
    cfg.experiment_name = f'{slug}_{digest[:8]}_{seed}'
    for link in cfg.get('upstream', []):
        link['cfg_options'] = upstream_options(link['config'], data_root, seed)
    started = time.monotonic()
    with separate_runs() as runners:
        runner = train(cfg, RunOptions(upstream_dir=str(args.work_dir / 'upstream')))
        runners.append(runner)
        enhancer = runner.model.enhancer.eval()
        files = pairs(args.data, 'val', args.max_pictures)
        result = score(lambda x: enhancer(x).image, files, args.protocol)
        result['iterations'] = runner.iter
        result['parameters'] = sum(p.numel() for p in enhancer.parameters())
        del runner
    result['minutes'] = round((time.monotonic() - started) / 60, 2)
    record.write_text(json.dumps(result), encoding='utf-8')
    return result


def move_data(node: Any, data_root: str) -> None:
    """Point every data set of a config to the folder of the night scenes."""
    if isinstance(node, dict):
        if 'data_root' in node and 'type' in node:
            node['data_root'] = data_root
        for value in node.values():
            move_data(value, data_root)
    elif isinstance(node, (list, tuple)):
        for value in node:
            move_data(value, data_root)


def chain_digests(cfg: Config, seed: int) -> list[str]:
    """What stands for the settings of the runs that a config builds on, wherever the data lie."""
    cfg = copy.deepcopy(cfg)
    for link in cfg.get('upstream', []):
        link['cfg_options'] = upstream_options(link['config'], '', seed)
    return upstream_digests(cfg, RunOptions())


def upstream_options(config: str, data_root: str, seed: int) -> dict[str, Any]:
    """Pictures and seed of an upstream config, and of what that builds on."""
    cfg = load_config(config)
    options = {'train_dataloader.dataset.data_root': data_root, 'randomness.seed': seed}
    if 'valid_dataloader' in cfg.train_cfg:  # a search
        options['train_cfg.valid_dataloader.dataset.data_root'] = data_root
    for k, link in enumerate(cfg.get('upstream', [])):
        options[f'upstream.{k}.cfg_options'] = upstream_options(link['config'], data_root, seed)
    return options


def summarise(arm: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread over seeds."""
    row: dict[str, Any] = dict(name=arm['name'], seeds=len(results))
    for key in METRICS:
        values = [result[key] for result in results]
        row[key] = statistics.fmean(values)
        row[f'{key}_spread'] = max(values) - min(values)
    row['iterations'] = results[0]['iterations']
    row['parameters'] = results[0]['parameters']
    row['minutes'] = statistics.fmean(result['minutes'] for result in results)
    return row


def render(rows: list[dict[str, Any]], reference: float) -> str:
    """The table of some rows; `reference` is the better PSNR of the gain and the gamma."""

    def spread(row: dict[str, Any], key: str, digits: int) -> str:
        several = f' ± {row[f"{key}_spread"] / 2:.{digits}f}' if row.get('seeds', 1) > 1 else ''
        return f'{row[key]:.{digits}f}{several}'

    return markdown_table(
        [
            {
                'enhancer': row['name'],
                'PSNR (dB)': spread(row, 'psnr', 2),
                'over gain and gamma': f'{row["psnr"] - reference:+.2f}',
                'SSIM': spread(row, 'ssim', 3),
                'steps': str(row.get('iterations', '–')),
                'seeds': str(row.get('seeds', '–')),
            }
            for row in rows
        ]
    )


def main() -> int:
    """Train, measure and write; returns the exit status."""
    args = parse_args()
    tables = read_arms(args.arms, args.tables)
    for title in tables if args.write else ():  # before hours of training
        around_markers(args.write, title)
    files = pairs(args.data, 'val', args.max_pictures)
    data_root = f'{args.data.resolve()}/'
    fitted = controls(args.data, files, args.protocol)
    reference = max(row['psnr'] for row in fitted[1:3])
    head = dict(
        command=shlex.join(['python', *sys.argv]),
        machine=f'{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}',
        protocol=str(get_protocol(args.protocol)),
        pictures=len(files),
    )
    everything: dict[str, Any] = dict(head, controls=fitted, tables={})
    for title, arms in tables.items():
        rows = []
        for arm in arms:
            results = []
            for seed in arm.get('seeds', [0]):
                print(f'{title}: {arm["name"]}, seed {seed}', flush=True)
                results.append(run(arm, seed, args, data_root))
            rows.append(summarise(arm, results))
        everything['tables'][title] = rows
        text = render(fitted + rows, reference)
        note = f'{len(files)} held-out night scenes (synthetic), {head["protocol"]}; {head["machine"]}.'
        print(f'\n{title}\n\n{text}\n\n{note}\n')
        if args.write:
            write_between_markers(args.write, title, f'{text}\n\n{note}')
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(everything, indent=1) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
