"""Does an enhancer keep what every enhancer of llv promises?

Example:
    python tools/analysis_tools/check_enhancer.py --enhancer demo/new_enhancer/lantern.py
    python tools/analysis_tools/check_enhancer.py --enhancer psenet-night-scenes --skip onnx

One line a promise: kept, broken with a sentence on what to mend, or skipped with the reason. Nothing is trained; where
no weights are given, the random ones are stirred. Exit status: 0 nothing is broken, 1 something is, 2 a wrong argument.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from mmengine.logging import MMLogger

from llv.apis import enhancer_config
from llv.testing import CHECKS, check_enhancer
from llv.utils.arguments import new_file, not_negative
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--enhancer',
        required=True,
        metavar='NAME_OR_CONFIG',
        help='a Python file that defines it, a name such as `ruas`, or a config file',
    )
    parser.add_argument(
        '--weights',
        metavar='FILE',
        help='weight file, or name of published weights; random ones if left out',
    )
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='arguments of the enhancer',
    )
    parser.add_argument(
        '--tolerance',
        type=not_negative,
        default=1e-5,
        metavar='DIFFERENCE',
        help='largest difference between two ways to the same result (default: %(default)s)',
    )
    parser.add_argument(
        '--skip',
        nargs='+',
        default=[],
        metavar='CHECK',
        help=f'checks to leave out, of {", ".join(CHECKS)}',
    )
    parser.add_argument(
        '--json', type=new_file, metavar='FILE', help='also write what was found here'
    )
    return parser.parse_args()


def main() -> int:
    """Check and print; returns the exit status."""
    args = parse_args()
    cfg = enhancer_config(args.enhancer, args.weights, **args.options)
    MMLogger.get_current_instance().setLevel('ERROR')  # what is loaded on the way
    outcomes = []
    for outcome in check_enhancer(cfg, args.tolerance, args.skip):
        outcomes.append(outcome)
        told = outcome.sentence or outcome.promise + '.'
        print(f'{outcome.status:8s}{outcome.name:16s}{told}', flush=True)
    broken = sum(outcome.status == 'broken' for outcome in outcomes)
    kept = sum(outcome.status == 'kept' for outcome in outcomes)
    print(f'{cfg["type"]}: {kept} promises kept, {broken} broken.')
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        found = dict(enhancer=cfg, checks=[asdict(outcome) for outcome in outcomes])
        args.json.write_text(json.dumps(found, indent=2) + '\n', encoding='utf-8')
    return 1 if broken else 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
