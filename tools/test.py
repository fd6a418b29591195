"""Test a checkpoint with any mm config, ours or mmdet's or mmseg's, with or without an enhancer in front.

python tools/test.py configs/ruas/….py work_dirs/…/epoch_12.pth
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

    parser = common_arguments('Test a checkpoint with any mm config.')
    parser.add_argument('checkpoint', help='a file or an address')
    parser.add_argument('--tta', action='store_true', help='merge the predictions of several views')
    parser.add_argument('--show-dir', help='folder for pictures with predictions')
    parser.add_argument('--out', help='predictions: a .pkl file, for segmentation a folder')
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
