"""Test a checkpoint with any mm config, ours or mmdet's or mmseg's, with or without an enhancer in front.

Example:
    python tools/test.py configs/night_scenes/ssd-small_night.py work_dirs/ssd-small_night/iter_1000.pth
    python tools/test.py mmdet::ssd/ssd300_coco.py ssd300.pth --enhancer ruas --enhancer-weights lol.pt
"""

from llv.utils.errors import friendly_errors


def main() -> None:
    """Read the arguments and test."""
    from llv.engine.runner import (
        common_arguments,
        read_config,
        test,
        use_output,
        use_pictures,
        use_tta,
    )
    from llv.engine.settings import RunOptions, close_process_group

    parser = common_arguments(__doc__)
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', help='weights of the model: a file or an address'
    )
    parser.add_argument('--tta', action='store_true', help='merge the predictions of several views')
    parser.add_argument('--show-dir', metavar='DIR', help='folder for pictures with predictions')
    parser.add_argument(
        '--out', metavar='FILE', help='predictions: a .pkl file, for segmentation a folder'
    )
    args = parser.parse_args()
    cfg = read_config(args)
    cfg.load_from = args.checkpoint
    if args.show_dir:
        use_pictures(cfg, args.show_dir)
    if args.out:
        use_output(cfg, args.out)
    if args.tta:
        use_tta(cfg)
    test(cfg, RunOptions(args.launcher))
    close_process_group()


if __name__ == '__main__':
    with friendly_errors():
        main()
