r"""Tell whether an enhancer helps a trained detector or segmentor: score with and without it, and how sure that is.

Example:
    python tools/analysis_tools/does_it_help.py my_config.py my_model.pth --enhancers psenet-night-scenes mean_match
    python tools/analysis_tools/does_it_help.py my_config.py my_model.pth --enhancers ruas:lol.pt fixed_gain@gain=4 \
        --images night/ --annotations night.json

The model runs once alone and once behind each enhancer, on the test set of its config or on pictures of your own: with
a COCO JSON, a folder of PASCAL VOC's XML files, or, for a segmentor, a folder of label maps. Nothing is trained.

An enhancer is written NAME[:WEIGHTS][@KEY=VALUE,...]. `mean_match`, `gamma` and `fixed_gain@gain=4` are controls, which
have learned nothing: name one, for an enhancer that was learned should beat it (`--against mean_match` asks that).

What is printed: the score (detectors: COCO's mAP and AP50; segmentors: mIoU) and its difference to the model alone with
a 95 % interval from a paired bootstrap over pictures, the same by darkness of the picture, the time a picture takes,
and a verdict: helps, hurts, or not distinguishable on so many pictures. Verdicts are corrected for the number of
enhancers (Holm). docs/does_it_help.md explains them.

Predictions are kept in the work folder, so an interrupted run goes on, and another enhancer costs its own time alone.
Exit status: 0 done, 2 nothing done because of a wrong argument.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from llv.utils.arguments import count, new_file, new_folder, whole_number
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors

MARKS = 'does-it-help'
PACKAGES = ('llv', 'torch', 'numpy', 'pycocotools')


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config',
        metavar='CONFIG',
        help='config of the model, without an enhancer: a file, llv::…, mmdet::… or mmseg::…',
    )
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help='its trained weights')
    parser.add_argument(
        '--enhancers',
        nargs='+',
        required=True,
        metavar='ENHANCER',
        help='what to put in front of it',
    )
    parser.add_argument(
        '--images', metavar='DIR', help='pictures in the place of the test set of the config'
    )
    parser.add_argument(
        '--annotations',
        metavar='LABELS',
        help='their labels: a COCO JSON, a folder of XML files, a folder of label maps',
    )
    parser.add_argument(
        '--against',
        metavar='ENHANCER',
        default='none',
        help='compare with this one of the enhancers (default: %(default)s, the model alone)',
    )
    parser.add_argument(
        '--bootstrap',
        type=count,
        default=1000,
        metavar='DRAWS',
        help='draws that the intervals come from (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=whole_number,
        default=0,
        metavar='SEED',
        help='of the draws (default: %(default)s)',
    )
    parser.add_argument(
        '--groups',
        type=count,
        default=4,
        metavar='N',
        help='of pictures by darkness (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='values that replace those of the config: test_dataloader.num_workers=0',
    )
    parser.add_argument(
        '--device',
        metavar='DEVICE',
        help='such as `cpu` or `cuda:1` (default: a GPU if there is one)',
    )
    parser.add_argument(
        '--work-dir',
        type=new_folder,
        metavar='DIR',
        help='keeps the predictions (default: work_dirs/does_it_help/<config>)',
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help=f'put the tables between the marks `begin {MARKS}` and `end {MARKS}` of a page',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    args = parser.parse_args()
    if (args.images is None) != (args.annotations is None):
        given, lacking = ('--images', '--annotations')[:: 1 if args.images else -1]
        parser.error(f'`{given}` needs `{lacking}`: own pictures count with their labels alone')
    if args.against != 'none' and args.against not in args.enhancers:
        parser.error(f'`--against {args.against}` is none of `--enhancers`: name it there too')
    return args


def predict(args: argparse.Namespace) -> tuple[dict, object]:
    """The predictions by the name of the enhancer, and the pictures that they are of.

    Everything that can be wrong is found out before anything runs.
    """
    # after the arguments, because they take seconds to import
    from tqdm import tqdm

    from llv.benchmark.does_it_help.bootstrap import check_resamples
    from llv.benchmark.does_it_help.choices import read_choices
    from llv.benchmark.does_it_help.picture_sets import open_picture_set
    from llv.benchmark.does_it_help.runs import on_device, plan_arms, run_arm
    from llv.utils.config import load_config
    from llv.utils.markdown import around_markers

    if args.write is not None:
        around_markers(args.write, MARKS)
    cfg = load_config(args.config, args.cfg_options)
    if 'model' not in cfg:
        raise ValueError(
            f'The config `{args.config}` has no `model`; name a config of a whole run.'
        )
    if not args.checkpoint.is_file():
        raise FileNotFoundError(f'The checkpoint `{args.checkpoint}` is not there; check the path.')
    choices = read_choices(args.enhancers)
    with on_device(args.device):
        pictures = open_picture_set(cfg, args.images, args.annotations)
        count = len(pictures.dataset)
        if pictures.unlabelled:
            print(
                f'{pictures.unlabelled} pictures of {args.images} have no labels and are left out.'
            )
        compared = len(args.enhancers) - (args.against != 'none')
        check_resamples(args.bootstrap, count, max(1, compared))
        work_dir = args.work_dir or Path('work_dirs', 'does_it_help', Path(args.config).stem)
        arms = plan_arms(cfg, args.checkpoint, choices, pictures, work_dir)
        kept = [arm.choice.text for arm in arms if arm.file.is_file()]
        if kept:
            print(f'Taken from {work_dir}: {", ".join(kept)}.')
        total = count * (len(arms) - len(kept))
        predictions = {}
        with tqdm(total=total, unit='picture', dynamic_ncols=True, disable=not total) as bar:
            for arm in arms:
                bar.set_description(arm.choice.text)
                predictions[arm.choice.text] = run_arm(arm, pictures, bar.update)
    return predictions, pictures


def main() -> None:
    """Run the tool."""
    args = parse_args()
    # what libraries say meanwhile is no part of the answer
    with contextlib.redirect_stdout(sys.stderr):
        predictions, pictures = predict(args)

        from llv.benchmark.does_it_help.judging import judge_arms
        from llv.benchmark.does_it_help.report import record, report
        from llv.utils.markdown import write_between_markers

        answer = judge_arms(
            predictions, pictures, args.against, args.bootstrap, args.seed, args.groups
        )
    text = report(answer, command())
    print(text)
    if args.write is not None:
        write_between_markers(args.write, MARKS, text)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        content = record(answer, dict(command=command(), versions=versions()))
        args.json.write_text(
            json.dumps(content, indent=1, ensure_ascii=False) + '\n', encoding='utf-8'
        )


def command() -> str:
    """The command line, with the tool's path inside the repository."""
    tool = '/'.join(Path(__file__).resolve().parts[-3:])
    return 'python ' + shlex.join([tool, *sys.argv[1:]])


def versions() -> dict[str, str]:
    """What the figures were measured with."""
    found = dict(python=platform.python_version())
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


if __name__ == '__main__':
    with friendly_errors():
        main()
