"""What ``tools/train.py`` and ``tools/test.py`` share: arguments, reading a config, training and testing it."""

from __future__ import annotations

import copy
import os
from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.runner import Runner

from llv.apis.plug import plug_enhancer
from llv.apis.strategies import STRATEGIES, apply_strategy
from llv.engine.settings import (
    RunOptions,
    build_runner,
    check_downloads,
    check_start,
    open_process_group,
    runner_from,
    stop_workers,
    use_parallel_cpu,
)
from llv.engine.upstream import run_upstreams
from llv.utils.arguments import new_folder
from llv.utils.checkpoint import use_weights_only_loading
from llv.utils.config import KeyValueAction, load_config

# what `llv.EnhancedDataPreprocessor` has and the preprocessor that it wraps has not
_OF_THE_PLUG = ('enhancer', 'distortion', 'frozen', 'channel_order', 'keep_pictures')


def common_arguments(description: str) -> ArgumentParser:
    """The arguments that training and testing have in common; the description is shown as it is."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        'config', metavar='CONFIG', help='a file, or one of a package: llv::…, mmdet::…, mmseg::…'
    )
    parser.add_argument(
        '--work-dir',
        type=new_folder,
        metavar='DIR',
        help='folder for logs and checkpoints (default: work_dirs/<config>)',
    )
    parser.add_argument(
        '--enhancer', metavar='NAME_OR_CONFIG', help='enhancer to plug into the config'
    )
    parser.add_argument('--enhancer-weights', metavar='FILE', help='weights of that enhancer')
    parser.add_argument(
        '--frozen-enhancer', action='store_true', help='keep that enhancer as it is'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValueAction,
        metavar='KEY=VALUE',
        help='values that replace those of the config: model.backbone.depth=18 a.list="[1,2]"',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what has started several processes of this, such as tools/dist_train.sh (default: %(default)s)',
    )
    # torch.distributed.launch passes it; mmengine reads the environment
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=SUPPRESS)
    return parser


def read_config(args: Namespace) -> Config:
    """The config that the common arguments describe, with its enhancer and its ``work_dir``.

    Raises:
        FileNotFoundError, ImportError, ValueError: As :func:`llv.utils.config.load_config` and
            :func:`llv.apis.plug_enhancer`.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    plugs = args.enhancer is not None or getattr(args, 'strategy', None) is not None
    options, behind = _divided(args.cfg_options) if plugs else (args.cfg_options, {})
    cfg = load_config(args.config, options)
    if 'model' not in cfg:
        raise ValueError(
            f'The config `{args.config}` has no `model`; name a config of a whole run.'
        )
    strategy = getattr(args, 'strategy', None)
    if strategy is not None:
        cfg = _with_strategy(cfg, args, options)
    elif getattr(args, 'recipe', None) is not None or getattr(args, 'scene_loss', None) is not None:
        raise ValueError('`--recipe` and `--scene-loss` belong to `--strategy`; name one.')
    elif args.enhancer is not None:
        cfg = plug_enhancer(
            cfg, args.enhancer, weights=args.enhancer_weights, frozen=args.frozen_enhancer
        )
    elif args.enhancer_weights is not None or args.frozen_enhancer:
        raise ValueError(
            '`--enhancer-weights` and `--frozen-enhancer` belong to `--enhancer`; name the enhancer.'
        )
    if behind:
        preprocessor = cfg.model.get('data_preprocessor') or {}
        if preprocessor.get('type') != 'llv.EnhancedDataPreprocessor':
            raise ValueError(
                f'`--cfg-options {next(iter(behind))}` belongs to an enhancer, but `--strategy {strategy}` has none.'
            )
        cfg.merge_from_dict(behind)
    stem = Path(cfg.filename).stem
    cfg.work_dir = str(args.work_dir or cfg.get('work_dir') or Path('work_dirs', stem))
    return cfg


def _divided(options: dict[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the config as it is, and those of the enhancer and its preprocessor, which come with the plug."""
    keys = tuple(f'model.data_preprocessor.{name}' for name in _OF_THE_PLUG)
    behind = {
        key: value
        for key, value in (options or {}).items()
        if key in keys or key.startswith(tuple(f'{name}.' for name in keys))
    }
    return {key: value for key, value in (options or {}).items() if key not in behind}, behind


def strategy_arguments(parser: ArgumentParser) -> None:
    """The arguments that put enhancer and model together in training."""
    parser.add_argument(
        '--strategy',
        choices=STRATEGIES,
        help='how the enhancer and the model of a config without one are trained together',
    )
    parser.add_argument(
        '--recipe',
        metavar='CONFIG',
        help='config that trains the enhancer first, for `hierarchical`, `frozen` and `zero_shot`',
    )
    parser.add_argument(
        '--scene-loss', type=float, metavar='LAMBDA', help='λ of `end_to_end_scene` (default: 1)'
    )


def _with_strategy(cfg: Config, args: Namespace, options: dict[str, Any]) -> Config:
    if args.frozen_enhancer:
        raise ValueError('`--frozen-enhancer` and `--strategy` both decide; keep one of them.')
    if args.scene_loss is not None and args.strategy != 'end_to_end_scene':
        raise ValueError('`--scene-loss` belongs to `--strategy end_to_end_scene`.')
    if args.recipe is not None and args.strategy in ('detector_only', 'end_to_end'):
        raise ValueError(
            f'`--strategy {args.strategy}` trains no enhancer first; leave `--recipe` out.'
        )
    return apply_strategy(
        cfg,
        args.strategy,
        args.enhancer,
        weights=args.enhancer_weights,
        recipe=args.recipe,
        scene_loss=1.0 if args.scene_loss is None else args.scene_loss,
        start_options=options,
    )


def train(cfg: Config, options: RunOptions, resume: str | None = None) -> Runner:
    """Run what a config builds on, then train it; a config without training is evaluated instead.

    Args:
        cfg: Config with its ``work_dir``.
        options: As given on the command line; they hold for upstream runs too.
        resume: A checkpoint to resume from, ``auto`` for the latest in the work folder if there is one, None to start.

    Returns:
        The runner after training.
    """
    use_weights_only_loading()
    cfg = options.applied_to(cfg)
    trains = cfg.get('train_cfg') is not None
    if trains:
        check_downloads(cfg)
        check_start(cfg, resume)
    elif not cfg.get('load_from') and not cfg.get('upstream'):
        raise ValueError(
            'The config trains nothing (`train_cfg` is None) and has no weights to evaluate; '
            'set `load_from` or `upstream`, or give a checkpoint to tools/test.py.'
        )
    open_process_group(cfg, options.launcher)
    cfg = run_upstreams(cfg, options)
    if not trains:
        for key in ('train_dataloader', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr'):
            cfg.pop(key, None)
        return test(cfg, options)
    runner = build_runner(cfg, options, resume)
    runner.train()
    stop_workers(runner)
    return runner


def test(cfg: Config, options: RunOptions) -> Runner:
    """Evaluate the checkpoint ``load_from`` of a config on its test set.

    Upstream runs are not looked at: the checkpoint holds all weights, or the config names those of the enhancer.

    Raises:
        FileNotFoundError: The checkpoint is not there.
        ValueError: The config has no test set, or the enhancer has weights from nowhere.
    """
    use_weights_only_loading()
    cfg = copy.deepcopy(cfg)
    cfg.pop('upstream', None)
    cfg.launcher = options.launcher
    checkpoint = cfg.get('load_from')
    if checkpoint and '://' not in checkpoint and not Path(checkpoint).expanduser().is_file():
        raise FileNotFoundError(f'The checkpoint `{checkpoint}` is not there; check the path.')
    if cfg.get('test_cfg') is None or cfg.get('test_dataloader') is None:
        raise ValueError(
            'The config has no test set; set `test_cfg`, `test_dataloader` and `test_evaluator`.'
        )
    open_process_group(cfg, options.launcher)
    use_parallel_cpu(cfg, options.launcher)
    runner = runner_from(cfg)
    runner.test()
    stop_workers(runner)
    return runner


def use_tta(cfg: Config) -> None:
    """Test several views of every picture and merge the predictions; the enhancer runs in each view.

    Detectors without a `tta_model` of their own see each picture and its mirror image, merged by NMS.

    Raises:
        ValueError: The config is no detector's and has no `tta_model` or no `tta_pipeline`.
    """
    # mmengine would put the one at the top in the place of the model's own, with the enhancer in it
    preprocessor = cfg.pop('data_preprocessor', None)
    if preprocessor is not None:
        cfg.model.setdefault('data_preprocessor', preprocessor)
    dataset = cfg.test_dataloader.dataset
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset.dataset
    for key in ('tta_model', 'tta_pipeline'):
        if cfg.get(key) is None and cfg.get('default_scope') != 'mmdet':
            raise ValueError(f'`--tta` needs `{key}` in the config; add it, or test without.')
    if cfg.get('tta_model') is None:
        nms = dict(type='nms', iou_threshold=0.5)
        most = (cfg.model.get('test_cfg') or {}).get('max_per_img', 100)
        cfg.tta_model = dict(type='DetTTAModel', tta_cfg=dict(nms=nms, max_per_img=most))
        print_log(
            'The config has no `tta_model`; views are merged by NMS at an IoU of 0.5.', 'current'
        )
    if cfg.get('tta_pipeline') is None:
        *loading, packing = copy.deepcopy(list(dataset.pipeline))
        keys = packing.get('meta_keys') or (
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        )
        packing.meta_keys = tuple(dict.fromkeys((*keys, 'flip', 'flip_direction')))
        # unmirrored first: mmdet's merged sample takes its annotations from the first view
        mirrored = [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)]
        cfg.tta_pipeline = [*loading, dict(type='TestTimeAug', transforms=[mirrored, [packing]])]
        print_log(
            'The config has no `tta_pipeline`; each picture and its mirror image are tested.',
            'current',
        )
    dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def use_pictures(cfg: Config, folder: str) -> None:
    """Write the test pictures into `folder`: dark | enhanced | prediction, in original coordinates.

    Raises:
        ValueError: The config has no `visualizer` and is neither a detector's nor a segmentor's.
    """
    drawers = dict(mmdet='mmdet.DetLocalVisualizer', mmseg='mmseg.SegLocalVisualizer')
    if cfg.get('visualizer') is None:
        if cfg.get('default_scope') not in drawers:
            raise ValueError(
                '`--show-dir` draws detections and label maps, but the config has no `visualizer`; set it '
                'to `mmdet.DetLocalVisualizer` or `mmseg.SegLocalVisualizer`.'
            )
        cfg.visualizer = dict(type=drawers[cfg.default_scope])
    hooks = dict(cfg.get('default_hooks') or {})
    hook = dict(type='llv.EnhancedVisualizationHook', out_dir=folder)
    if 'score_thr' in (hooks.get('visualization') or {}):
        hook['score_thr'] = hooks['visualization']['score_thr']
    cfg.default_hooks = {**hooks, 'visualization': hook}


def use_output(cfg: Config, target: str) -> None:
    """Keep the predictions: for segmentation pictures of label maps in a folder, else one pickle file."""
    evaluators = cfg.get('test_evaluator')
    evaluators = list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]
    if cfg.get('default_scope') == 'mmseg':
        from mmseg.evaluation import CityscapesMetric, IoUMetric
        from mmseg.registry import METRICS

        writers = []
        for evaluator in evaluators:
            kind = evaluator['type']
            kind = kind if isinstance(kind, type) else METRICS.get(kind)
            if isinstance(kind, type) and issubclass(kind, (CityscapesMetric, IoUMetric)):
                writers.append((evaluator, kind))
        if not writers:
            raise ValueError(
                '`--out` writes label maps by `IoUMetric` or a metric made from it, but `test_evaluator` has none; add '
                'one, or `llv.LabelMapExport`, which needs no labels.'
            )
        evaluator, kind = writers[0]
        evaluator['output_dir'] = target
        if issubclass(kind, CityscapesMetric):  # which would remove them again
            evaluator['keep_results'] = True
        return
    if Path(target).suffix not in ('.pkl', '.pickle'):
        raise ValueError(f'`--out {target}` must name a .pkl file.')
    dump = 'mmdet.DumpDetResults' if cfg.get('default_scope') == 'mmdet' else 'DumpResults'
    cfg.test_evaluator = [*evaluators, dict(type=dump, out_file_path=target)]
