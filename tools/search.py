"""Search architectures, and write the genotype that was found.

Example:
    python tools/search.py configs/night_scenes/search/ruas.py
    python tools/search.py configs/night_scenes/search/ruas.py --work-dir work_dirs/search --resume

Writes `genotype.json`, which searchable modules take as `genotype=` (RUAS as `scene_genotype=` and `noise_genotype=`),
and `alpha.pth`, the architecture weights, from which another search can start (`train_cfg.alpha_from`).
"""

from llv.utils.errors import friendly_errors


def main() -> None:
    """Read the arguments and search."""
    from llv.engine.loops.search_result import write_result
    from llv.engine.runner import common_arguments, read_config, train
    from llv.engine.settings import RunOptions, close_process_group

    parser = common_arguments(__doc__)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint, without a name from the latest in the work folder',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16)')
    parser.add_argument('--no-pretrained', action='store_true', help='start from random weights')
    parser.add_argument(
        '--upstream-dir', metavar='DIR', help='folder for upstream runs, shared by several runs'
    )
    args = parser.parse_args()
    cfg = read_config(args)
    kind = str((cfg.get('train_cfg') or {}).get('type')).removeprefix('llv.')
    if kind != 'CooperativeSearchLoop':
        raise ValueError(
            f'`{args.config}` is no search (`train_cfg.type` is `{kind}`); name a config with '
            '`llv.CooperativeSearchLoop`, or train with `tools/train.py`.'
        )
    options = RunOptions(args.launcher, args.amp, args.no_pretrained, args.upstream_dir)
    file = write_result(train(cfg, options, args.resume))
    if file is not None:
        print(f'Wrote {file} and {file.with_name("alpha.pth")}.')
    close_process_group()


if __name__ == '__main__':
    with friendly_errors():
        main()
