"""Train any mm config, ours or mmdet's or mmseg's, with or without an enhancer in front.

Example:
    python tools/train.py configs/psenet/psenet_sice.py
    python tools/train.py mmdet::ssd/ssd300_coco.py --enhancer ruas --enhancer-weights lol.pt
    python tools/train.py configs/dark_face/dsfd_vgg_darkface.py --strategy hierarchical --enhancer psenet \\
        --recipe configs/psenet/psenet_sice.py

What the config builds on (`upstream`) is trained first.
"""

from llv.utils.errors import friendly_errors


def main() -> None:
    """Read the arguments and train."""
    from llv.engine.runner import common_arguments, read_config, strategy_arguments, train
    from llv.engine.settings import RunOptions, close_process_group

    parser = common_arguments(__doc__)
    strategy_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint, without a name from the latest in the work folder',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16 on the CPU)')
    parser.add_argument('--no-pretrained', action='store_true', help='start from random weights')
    parser.add_argument(
        '--upstream-dir',
        metavar='DIR',
        help='folder for upstream runs, shared by several main runs',
    )
    args = parser.parse_args()
    options = RunOptions(args.launcher, args.amp, args.no_pretrained, args.upstream_dir)
    train(read_config(args), options, args.resume)
    close_process_group()


if __name__ == '__main__':
    with friendly_errors():
        main()
