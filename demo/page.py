"""The demo's report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from arms import ARMS, SCORE_THRESHOLD, Workshop

from llv.datasets.night_scenes import CLASSES, PALETTE
from llv.utils.pictures import read_picture
from llv.visualization import Box, HtmlReport, Tile, plot_curves, read_scalars

# rows of the gallery: one picture each for an arm, what its detector saw with what it found
SHOWN = ('zero-shot', 'direct', 'mean-match', 'hierarchical')


def write_report(
    path: Path,
    workshop: Workshop,
    summary: Mapping[str, Any],
    records: Mapping[str, list[dict[str, Any]]],
    upstream: Mapping[str, str],
    photograph: tuple[np.ndarray, np.ndarray, str] | None,
) -> None:
    """Write the report.

    Args:
        path: File to write.
        workshop: The arms' configs and pictures.
        summary: What ``summary.json`` holds.
        records: Records of the runs by the key of their arm.
        upstream: Folders of the upstream runs by the name of their config.
        photograph: Before and after, (H, W, 3) RGB uint8, and its name.
    """
    machine = summary['machine']
    report = HtmlReport(
        'llv demo: a dark picture in, mAP out',
        f'{summary["finished"]} · {machine["cores"]} cores, torch {machine["torch"]} · '
        f'{summary["total_minutes"]:.1f} minutes',
    )
    _describe(report, workshop, summary)
    _table(report, summary)
    _curves(report, workshop, summary, upstream)
    _gallery(report, workshop, records)
    if photograph is not None:
        _photograph(report, *photograph)
    report.heading('Settings')
    report.facts(_facts(summary))
    report.text('How to get this page again:')
    report.code(summary['command'])
    report.write(path)


def _describe(report: HtmlReport, workshop: Workshop, summary: Mapping[str, Any]) -> None:
    s = summary['settings']
    report.text(
        f'The pictures are synthetic night scenes: each scene exists by day and by night, with {len(CLASSES)} '
        f'classes of objects. A small detector learned from {s["train"]} labelled day pictures. RUAS, an '
        f'enhancer of 1161 parameters, learned from {s["unlabelled"]} night pictures without labels. Then the '
        f'detector was adapted to the night in three ways, each with the same {s["labelled"]} labelled night '
        f'pictures, the same {s["night_iterations"]} steps and the same learning rate. All numbers are from '
        f'{s["val"]} other scenes.'
    )
    if workshop.settings.enough == 0:
        report.text(
            'This is a tiny run, which shows that every part works; its numbers mean nothing.'
        )


def _table(report: HtmlReport, summary: Mapping[str, Any]) -> None:
    report.heading('Results')
    arms = {arm['key']: arm for arm in summary['arms']}
    groups: dict[str, list[list[str]]] = {}
    for arm in ARMS:
        row = arms[arm.key]
        group = 'Day detector' if not arm.trains else 'Day detector, adapted to the night'
        seeds = row['seeds']
        spread = (
            ''
            if len(seeds) < 2
            else ' – '.join(f'{f(s["AP50"] for s in seeds):.3f}' for f in (min, max))
        )
        share = '' if row['recovered'] is None else f'{100 * row["recovered"]:.0f} %'
        groups.setdefault(group, []).append(
            [
                arm.name,
                row['strategy'],
                str(row['trained_iterations']) if arm.trains else '–',
                f'{row["mAP"]:.3f}',
                f'{row["AP50"]:.3f}',
                *([spread] if len(summary['seeds']) > 1 else []),
                share,
                f'{row["minutes"]:.1f}',
            ]
        )
    header = ['measured on', 'strategy', 'steps at night', 'mAP', 'AP50', 'of the gap', 'minutes']
    count = len(summary['seeds'])
    if count > 1:
        header.insert(5, 'AP50, lowest – highest')
        note = (
            f'Adapted rows are means over {count} seeds (order of the pictures and their crops); the day '
            'detector and the enhancer were trained once. Differences inside the spread of the seeds say nothing. '
        )
    else:
        note = 'One seed: small differences may be chance; `--seeds 0 1 2` shows the spread. '
    note += (
        'mAP: mean of the average precision at IoU 0.50 to 0.95; AP50: at IoU 0.50. Of the gap: how much of the '
        'difference in AP50 between night pictures as they are and day pictures is made up. FixedGain (one gain '
        'a channel for all pictures) and MeanMatch (one gain a channel for each picture) are controls without '
        'learning, fitted to the mean of day pictures. Minutes: training at night and evaluation, a seed.'
    )
    report.table(header, groups, note)


def _curves(
    report: HtmlReport, workshop: Workshop, summary: Mapping[str, Any], upstream: Mapping[str, str]
) -> None:
    def points(folder: Path | str) -> list[tuple[float, float]]:
        return [(record['step'], record['loss']) for record in read_scalars(folder)]

    seed = summary['seeds'][0]
    adapted = {arm.name: points(workshop.folder(arm, seed)) for arm in ARMS if arm.trains}
    figures = [
        (
            plot_curves({'task loss': points(upstream['ssd-small_day'])}, 'loss'),
            'The day detector on day pictures.',
        ),
        (
            plot_curves({'scene loss': points(upstream['ruas-scene'])}, 'loss'),
            'RUAS on unlabelled night pictures. Its steps are an early stop by design: the loss pulls the illumination '
            'towards the dark picture, so pictures get brighter all through training.',
        ),
        (
            plot_curves(adapted, 'task loss'),
            f'The adaptations to the night, seed {seed}. The losses of different inputs need not be comparable.',
        ),
    ]
    report.heading('Training')
    report.figures(figures)
    report.text('As logged, averaged over the last 20 steps (RUAS: 50).', note=True)


def _gallery(
    report: HtmlReport, workshop: Workshop, records: Mapping[str, list[dict[str, Any]]]
) -> None:
    palette = dict(zip(CLASSES, PALETTE, strict=True))
    names = {
        'zero-shot': 'found: day detector as it is',
        'direct': 'found: adapted directly',
        'mean-match': 'found: behind MeanMatch',
        'hierarchical': 'found: hierarchically with RUAS',
    }
    report.heading('Gallery')
    report.text(
        'Scenes spread evenly over the validation set, not chosen by what came out. Upper row: the night picture, '
        'the true boxes on the day picture of the same scene (which no detector gets here), and what RUAS makes '
        'of the night picture after training alone and after training with the detector. Lower row: what each '
        f'detector found, drawn on what it saw. Boxes with a score of {SCORE_THRESHOLD} and above; class and '
        'score show when the pointer rests on a box.'
    )
    report.legend(palette)
    for place, index in enumerate(workshop.gallery_indices()):
        night, day, truth = workshop.scene(index)
        drawn = {key: runs[0]['gallery'][place] for key, runs in records.items()}
        seen = {
            key: read_picture(workshop.work_dir / entry['enhanced']) if entry['enhanced'] else night
            for key, entry in drawn.items()
        }
        tiles = [
            Tile(night, 'night picture'),
            Tile(day, 'true boxes, on the day picture', _boxes(truth)),
            Tile(seen['zero-shot_ruas'], 'enhanced: RUAS alone'),
            Tile(seen['hierarchical'], 'enhanced: RUAS, hierarchical'),
            *(Tile(seen[key], names[key], _boxes(drawn[key]['boxes'])) for key in SHOWN),
        ]
        report.heading(f'Validation scene {index}', 3)
        report.gallery(tiles, palette)


def _photograph(report: HtmlReport, before: np.ndarray, after: np.ndarray, name: str) -> None:
    report.heading('A photograph')
    report.text(
        f'{name}, through RUAS as trained here alone, on synthetic scenes. The result in full size lies '
        'beside this page.'
    )
    report.gallery(
        [Tile(_shrink(before), 'before'), Tile(_shrink(after), 'after')], columns=2, width=600
    )


def _shrink(picture: np.ndarray, longest: int = 1200) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture


def _boxes(entries: list[dict[str, Any]]) -> list[Box]:
    return [Box(tuple(entry['box']), entry['label'], entry.get('score')) for entry in entries]


def _facts(summary: Mapping[str, Any]) -> dict[str, object]:
    s, machine = summary['settings'], summary['machine']
    controls = summary['controls']
    return {
        'scenes': f'{s["train"]} labelled by day, {s["labelled"]} of them also by night; {s["unlabelled"]} night '
        f'pictures without labels; {s["val"]} for validation',
        'generator': ', '.join(f'{key} {value}' for key, value in summary['night_scenes'].items()),
        'steps': f'day detector {s["day_iterations"]}, RUAS {s["enhancer_iterations"]}, each adaptation '
        f'{s["night_iterations"]}',
        'seeds of the adaptations': ', '.join(map(str, summary['seeds'])),
        'FixedGain': f'gains {controls["FixedGain"]["gain"]} (R, G, B)',
        'MeanMatch': f'target means {controls["MeanMatch"]["target"]} (R, G, B)',
        'machine': f'{machine["cores"]} cores, {machine["threads"]} threads, torch {machine["torch"]}, '
        f'{machine["device"]}',
        'minutes': f'{summary["total_minutes"]:.1f} in all'
        + (', parts of it reused from an earlier run' if summary['reused'] else ''),
    }
