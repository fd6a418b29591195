"""Parameters and multiply-accumulates of an enhancer and the model behind it, each and together.

Example:
    python tools/analysis_tools/get_flops.py configs/ruas/ssd300_ruas_exdark_end-to-end.py
    python tools/analysis_tools/get_flops.py mmdet::ssd/ssd300_coco.py --enhancer iat --size 720x1080

Tools of mmdet and mmseg start behind the data preprocessor and miss the enhancer. Counted are convolutions, linear
layers, matrix products and attention, one multiplication and addition as one; mmcv's own operators, such as deformable
convolutions, are not. Weights are not looked at.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from llv.apis import plug_enhancer
from llv.models import EnhancementModel
from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.enhancers.build import build_enhancer
from llv.registry import MODELS
from llv.utils.arguments import picture_size
from llv.utils.complexity import count_macs, count_parameters
from llv.utils.config import KeyValueAction, load_config
from llv.utils.errors import friendly_errors
from llv.utils.markdown import markdown_table

Size = tuple[int, int]


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config',
        metavar='CONFIG',
        help='config of a detector, a segmentor or an enhancer: a file, llv::…, mmdet::… or mmseg::…',
    )
    parser.add_argument('--enhancer', metavar='NAME_OR_CONFIG', help='enhancer to plug in')
    parser.add_argument(
        '--size',
        type=picture_size,
        metavar='HxW',
        help='height x width of the picture that the enhancer gets (default: what the test pipeline resizes to)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValueAction,
        metavar='KEY=VALUE',
        help='values that replace those of the config',
    )
    return parser.parse_args()


def measure(cfg: Config, size: Size) -> dict[str, tuple[int, int]]:
    """Parameters and multiply-accumulates of the parts of a config.

    Args:
        cfg: With a `model`, or with a top-level `enhancer` alone.
        size: Height and width of the picture before the enhancer.

    Returns:
        Parameters and multiply-accumulates of `enhancer` and `model`, those that there are, and of both `together`.

    Raises:
        ValueError: The config has neither.
    """
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    figures: dict[str, tuple[int, int]] = {}
    if 'model' not in cfg and 'enhancer' not in cfg:
        raise ValueError('The config has neither `model` nor `enhancer`; name one that has.')
    if 'model' not in cfg:
        model, enhancer = None, build_enhancer(cfg.enhancer)
    else:
        model = MODELS.build(cfg.model).eval()
        preprocessor = model.data_preprocessor
        enhancer = None
        if isinstance(preprocessor, EnhancedDataPreprocessor):
            enhancer = preprocessor.enhancer
        elif isinstance(model, EnhancementModel):
            model, enhancer = None, model.enhancer
    if enhancer is not None:
        # a file of weights that is not there stops a forward, but changes no size
        enhancer.load_state_dict(enhancer.state_dict())
        figures['enhancer'] = (count_parameters(enhancer), count_macs(enhancer.eval(), size))
    if model is not None:
        own = count_parameters(model) - figures.get('enhancer', (0, 0))[0]
        figures['model'] = (
            own,
            _model_macs(model, size, 1 if enhancer is None else enhancer.scale),
        )
    if len(figures) == 2:
        figures['together'] = tuple(sum(pair) for pair in zip(*figures.values(), strict=True))
    return figures


def _model_macs(model: nn.Module, size: Size, scale: int) -> int:
    """Those of a model behind its preprocessor, which pads to what the model needs."""
    height, width = (side * scale for side in size)
    preprocessor = model.data_preprocessor
    if isinstance(preprocessor, EnhancedDataPreprocessor):
        preprocessor = preprocessor.base
    shape = dict(ori_shape=(height, width), img_shape=(height, width), scale_factor=(1.0, 1.0))
    sample = _sample_type(model)(metainfo=shape)
    picture = torch.zeros(3, height, width, dtype=torch.uint8)
    data = preprocessor(dict(inputs=[picture], data_samples=[sample]))

    def forward(inputs: Tensor) -> Any:
        return model(inputs, data['data_samples'], mode='tensor')

    return count_macs(forward, tuple(data['inputs'].shape[-2:]))


def _sample_type(model: nn.Module) -> type[BaseDataElement]:
    packages = {kind.__module__.partition('.')[0] for kind in type(model).__mro__}
    if 'mmdet' in packages:
        from mmdet.structures import DetDataSample

        return DetDataSample
    if 'mmseg' in packages:
        from mmseg.structures import SegDataSample

        return SegDataSample
    return BaseDataElement


def tested_size(cfg: Config) -> Size:
    """Height and width that the test pipeline resizes to.

    Raises:
        ValueError: It does not tell.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    for step in dataset.get('pipeline') or ():
        scale = step.get('scale')
        if str(step.get('type')).rpartition('.')[2] == 'Resize' and isinstance(
            scale, (tuple, list)
        ):
            return scale[1], scale[0]  # mm's scales are width and height
    raise ValueError(
        'The test pipeline does not resize to one size; give `--size HxW` of a picture.'
    )


def main() -> None:
    """Build, count and print."""
    with friendly_errors():
        args = parse_args()
        cfg = load_config(args.config, args.cfg_options)
        if args.enhancer is not None:
            cfg = plug_enhancer(cfg, args.enhancer)
        size = args.size or tested_size(cfg)
        figures = measure(cfg, size)
    rows = [
        {'part': part, 'parameters': f'{parameters:,}', 'GMACs': f'{macs / 1e9:.4f}'}
        for part, (parameters, macs) in figures.items()
    ]
    print(f'{args.config}, one picture of {size[0]} × {size[1]} (height × width)\n')
    print(markdown_table(rows))


if __name__ == '__main__':
    main()
