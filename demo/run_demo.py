"""The demo: from synthetic night scenes to a detector adapted to the night, and a report of what came out.

Example:
    python demo/run_demo.py                     # or: make demo
    python demo/run_demo.py --image street.jpg  # or: make demo IMAGE=street.jpg

Writes report.html and summary.json to work_dirs/demo and the scenes to data/night_scenes. What is finished is
reused by the next run. Exit status: 0 done, 1 the day detector is too weak for the rest to mean anything, 2 a wrong
argument.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import shutil
import sys
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

# Threads that spin while they wait take the time of the processes that load pictures: a training step gets up to 20
# times slower where anything else runs on the machine. Asleep they cost a tenth on an idle one. Read when torch is
# imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from llv.utils.arguments import new_folder, whole_number
from llv.utils.errors import friendly_errors

MARK = 'demo.log'


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--image', metavar='FILE', help='a photograph to light with the trained enhancer'
    )
    parser.add_argument(
        '--data',
        type=new_folder,
        default=Path('data/night_scenes'),
        metavar='DIR',
        help='folder of the scenes (default: %(default)s)',
    )
    parser.add_argument(
        '--work-dir',
        type=new_folder,
        default=Path('work_dirs/demo'),
        metavar='DIR',
        help='folder of the results (default: %(default)s)',
    )
    parser.add_argument(
        '--seeds',
        type=whole_number,
        nargs='+',
        default=[0, 1],
        metavar='SEED',
        help='of the adaptations (default: 0 1)',
    )
    parser.add_argument(
        '--fresh', action='store_true', help='train everything anew (the scenes are kept)'
    )
    parser.add_argument(
        '--tiny',
        action='store_true',
        help='a minute at toy size: every part runs, the numbers mean nothing',
    )
    return parser.parse_args()


def main() -> int:
    """Run the demo; returns the exit status."""
    args = parse_args()
    seeds = list(dict.fromkeys(args.seeds))
    check_work_dir(args.work_dir)
    photograph = read_photograph(args.image)

    from arms import ARMS, TINY, Settings, Workshop, write_json
    from page import write_report
    from progress import Progress, logs_to

    from llv.utils.checkpoint import use_weights_only_loading

    settings = TINY if args.tiny else Settings()
    use_weights_only_loading()
    if args.fresh:
        for name in ('upstream', *(arm.key for arm in ARMS)):
            shutil.rmtree(args.work_dir / name, ignore_errors=True)
    zero_shot = [arm for arm in ARMS if not arm.trains]
    adapted = [(arm, seed) for seed in seeds for arm in ARMS if arm.trains]
    progress = Progress(expected_work(settings, len(zero_shot), len(adapted)))
    reused = []

    progress.step(f'Night scenes in {args.data}')
    if generate(args.data, settings) == 'already there':
        progress.reused()
    workshop = Workshop(settings, args.data, args.work_dir)
    upstream_dir = args.work_dir / 'upstream'
    by_key = {arm.key: arm for arm in ARMS}
    records: dict[str, list[dict]] = {}
    with logs_to(args.work_dir / MARK):
        workshop.fit_controls()

        progress.step(f'Day detector: {settings.train} labelled day pictures')
        with progress.watch(upstream_dir, settings.day_iterations):
            begin = time.time()
            upstream = workshop.prepare(by_key['day'])
        was_there(upstream['ssd-small_day'], begin, progress, reused)

        progress.step('Day detector on day pictures')
        records['day'] = [workshop.run(by_key['day'], seeds[0])]
        day = records['day'][0]['AP50']
        if records['day'][0]['reused']:
            progress.reused()
        progress.say(f'      AP50 {day:.3f}')
        if day < settings.enough:
            print(
                f'error: The day detector reaches AP50 {day:.3f} by day, below {settings.enough}, so the rest would '
                f'mean nothing; look into `{args.work_dir / MARK}`, or start over with `--fresh`.',
                file=sys.__stderr__,
            )
            return 1

        progress.step(f'Enhancer: RUAS, {settings.unlabelled} night pictures without labels')
        with progress.watch(upstream_dir, settings.enhancer_iterations):
            begin = time.time()
            upstream |= workshop.prepare(by_key['hierarchical'])
        was_there(upstream['ruas-scene'], begin, progress, reused)

        progress.step('Day detector on night pictures, as they are and enhanced')
        for arm in zero_shot[1:]:
            records[arm.key] = [workshop.run(arm, seeds[0])]
            progress.say(f'      {arm.name}: AP50 {records[arm.key][0]["AP50"]:.3f}')
        if all(records[arm.key][0]['reused'] for arm in zero_shot[1:]):
            progress.reused()

        for arm, seed in adapted:
            progress.step(
                f'Adapted {arm.name}: {settings.labelled} labelled night pictures, seed {seed}'
            )
            with progress.watch(workshop.folder(arm, seed), settings.night_iterations):
                record = workshop.run(arm, seed)
            records.setdefault(arm.key, []).append(record)
            if record['reused']:
                progress.reused()
            progress.say(f'      AP50 {record["AP50"]:.3f}')

        progress.step('Report')
        shown = None
        if photograph is not None:
            shown = light_photograph(
                photograph, Path(args.image), upstream['ruas-scene'], args.work_dir
            )
        reused += [key for key, runs in records.items() if any(run['reused'] for run in runs)]
        summary = summarise(workshop, args, seeds, records, reused, progress.elapsed)
        write_report(
            args.work_dir / 'report.html', workshop, summary, records, upstream, shown and shown[:3]
        )
        write_json(args.work_dir / 'summary.json', summary)
    if shown is not None:
        progress.say(f'      {shown[3]}')
    progress.say(f'      {args.work_dir / "report.html"}')
    progress.say(f'      {args.work_dir / "summary.json"}')
    progress.say(f'Done in {progress.elapsed / 60:.1f} minutes.')
    return 0


def check_work_dir(folder: Path) -> None:
    """Refuse a folder that an earlier demo did not write."""
    if (
        folder.exists()
        and (not folder.is_dir() or any(folder.iterdir()))
        and not (folder / MARK).is_file()
    ):
        raise_for_user(f'`{folder}` holds something else than a demo; choose another `--work-dir`.')


def read_photograph(file: str | None):
    """(H, W, 3) RGB, uint8 or uint16; None without a file."""
    if file is None:
        return None
    from llv.utils.pictures import read_picture

    return read_picture(file)


def raise_for_user(sentence: str) -> None:
    print(f'error: {sentence}', file=sys.stderr)
    sys.exit(2)


def expected_work(settings, zero_shot: int, adapted: int) -> list[float]:
    """Seconds of each step on an idle machine with two cores."""
    scenes = settings.train + settings.unlabelled + settings.val
    evaluation = 2 + 0.02 * settings.val
    return [
        3 + scenes / 85,
        5 + 0.17 * settings.day_iterations,
        evaluation,
        2 + 0.05 * settings.enhancer_iterations,
        evaluation * (zero_shot + 2),
        *[3 + 0.24 * settings.night_iterations + evaluation] * adapted,
        6,
    ]


def generate(data: Path, settings) -> str:
    """Write the scenes; more than are needed may be there already."""
    import json

    from llv.datasets.night_scenes import write_night_scenes

    splits = dict(train=settings.train, val=settings.val, unlabelled=settings.unlabelled)
    try:
        there = json.loads((data / 'dataset.json').read_text(encoding='utf-8'))['splits']
    except (OSError, ValueError, KeyError):
        there = {}
    splits = {name: max(count, there.get(name, 0)) for name, count in splits.items()}
    workers = min(os.cpu_count() or 1, math.ceil(sum(splits.values()) / 200))
    return write_night_scenes(data, splits, workers=workers, progress=sys.stderr.isatty())


def was_there(folder: str, begin: float, progress, reused: list[str]) -> None:
    """Say so where an upstream run was finished before this demo."""
    if (Path(folder) / 'result.json').stat().st_mtime < begin:
        progress.reused()
        reused.append(Path(folder).name)


def light_photograph(photograph, file: Path, enhancer: str, work_dir: Path):
    """Before, after, a name and the file that was written."""
    import numpy as np

    from llv.apis import enhance, init_enhancer
    from llv.utils.pictures import write_picture

    after = enhance(init_enhancer('ruas', str(Path(enhancer) / 'result.pth')), photograph)
    target = work_dir / f'{file.stem}_enhanced.png'
    write_picture(target, after)
    before = photograph
    if before.dtype == np.uint16:
        before = np.rint(before / 257).astype(np.uint8)
    return before, after, file.name, target


def summarise(workshop, args: argparse.Namespace, seeds, records, reused, seconds: float) -> dict:
    """What ``summary.json`` holds."""
    import torch
    from arms import ARMS, SCORE_THRESHOLD
    from mmengine.device import get_device

    def mean(key: str, metric: str) -> float:
        return sum(run[metric] for run in records[key]) / len(records[key])

    zero, day = mean('zero-shot', 'AP50'), mean('day', 'AP50')
    arms = []
    for arm in ARMS:
        runs = records[arm.key]
        recovered = None if day <= zero else (mean(arm.key, 'AP50') - zero) / (day - zero)
        arms.append(
            dict(
                key=arm.key,
                name=arm.name,
                strategy=arm.strategy,
                enhancer=arm.enhancer,
                pictures=arm.light,
                trained_iterations=runs[0]['trained_iterations'],
                mAP=round(mean(arm.key, 'mAP'), 4),
                AP50=round(mean(arm.key, 'AP50'), 4),
                recovered=None if recovered is None else round(recovered, 4),
                minutes=round(mean(arm.key, 'minutes'), 3),
                seeds=[{k: run[k] for k in ('seed', 'mAP', 'AP50', 'minutes')} for run in runs],
            )
        )
    files = [e['enhanced'] for runs in records.values() for r in runs[:1] for e in r['gallery']]
    settings = asdict(workshop.settings) | dict(val=workshop.scenes['splits']['val'])
    return dict(
        command=shlex.join(['python', 'demo/run_demo.py', *sys.argv[1:]]),
        finished=datetime.now().strftime('%Y-%m-%d %H:%M'),
        settings=settings,
        night_scenes=workshop.scenes['settings'],
        controls=workshop.controls,
        seeds=seeds,
        machine=dict(
            cores=os.cpu_count(),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            device=get_device(),
        ),
        arms=arms,
        gallery=dict(
            scenes=workshop.gallery_indices(),
            score_threshold=SCORE_THRESHOLD,
            files=[file for file in files if file],
        ),
        reused=reused,
        total_minutes=round(seconds / 60, 2),
    )


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
