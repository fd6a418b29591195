"""Enhancers in front of the inferencers of mmdet, mmseg and other mm packages."""

from __future__ import annotations

import functools
import os
from typing import Any

from mmengine.infer import BaseInferencer

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.visualization.lit_pictures import enhanced_picture

from .enhancers import init_enhancer
from .plug import plug_enhancer


def plug_inferencer(
    inferencer: BaseInferencer,
    enhancer: str | os.PathLike | dict,
    weights: str | os.PathLike | None = None,
    **options: Any,
) -> BaseInferencer:
    """Put an enhancer in front of the model of an inferencer that is built already.

    The same as building it from a plugged config (:func:`llv.apis.plug_enhancer`), for inferencers that were given the
    name of a model: ``plug_inferencer(DetInferencer('rtmdet-s'), 'psenet-night-scenes')``.

    Args:
        inferencer: ``DetInferencer``, ``MMSegInferencer`` or another of an mm package; it is changed.
        enhancer, weights, options: As for :func:`llv.apis.init_enhancer`.

    Returns:
        The same inferencer.

    Raises:
        ValueError: The enhancer is unknown or would be random, the model has no place for it (see
            :func:`llv.apis.plug_enhancer`), or it has mmdet's ``SSDHead``, which cannot predict.
        FileNotFoundError: The weight file is not there.
    """
    cfg = plug_enhancer(inferencer.cfg, enhancer, weights, frozen=True, **options)
    model = inferencer.model
    for part in model.modules():
        if type(part).__name__ == 'SSDHead' and type(part).__module__.startswith('mmdet.'):
            raise ValueError(
                "The model has mmdet's `SSDHead`, which fails at every prediction; build the inferencer from "
                '`plug_enhancer(cfg, …)`, which replaces the head.'
            )
    plugged = cfg.model.data_preprocessor
    module = init_enhancer(plugged.enhancer)
    if module.weights is None and any(True for _ in module.parameters()):
        raise ValueError(f'`{type(module).__name__}` would be random; give its `weights`.')
    model.data_preprocessor = EnhancedDataPreprocessor(
        module,
        model.data_preprocessor,
        frozen=True,
        channel_order='rgb' if plugged.base.get('rgb_to_bgr') else 'bgr',
    )
    model.data_preprocessor.to(next(model.parameters()).device).eval()
    inferencer.cfg = model.cfg = cfg
    return inferencer


def show_enhanced(inferencer: BaseInferencer) -> BaseInferencer:
    """Let an inferencer draw its predictions on the enhanced pictures, in the size of the files.

    By itself it draws on the pictures as they are, dark (and on arrays with red and blue exchanged, since it takes them
    as BGR and draws on RGB).

    Args:
        inferencer: With an enhancer in front of its model; it is changed. With ``return_datasamples=True`` its samples
            also hold ``enhanced``.

    Returns:
        The same inferencer.

    Raises:
        ValueError: There is no enhancer in front of its model, or it has no visualizer.
    """
    enhanced = [m for m in inferencer.model.modules() if isinstance(m, EnhancedDataPreprocessor)]
    if not enhanced:
        raise ValueError(
            'The model of the inferencer has no enhancer in front of it; put one there by `plug_inferencer`.'
        )
    visualizer = inferencer.visualizer
    if visualizer is None:
        raise ValueError(
            'The inferencer has no visualizer; set `visualizer` of its config to `mmdet.DetLocalVisualizer` or '
            '`mmseg.SegLocalVisualizer`.'
        )
    for module in enhanced:
        module.keep_pictures = True
    draw = visualizer.add_datasample

    @functools.wraps(draw)
    def draw_on_enhanced(name, image, data_sample=None, *args, **kwargs):
        if data_sample is not None and 'enhanced' in data_sample:
            image = enhanced_picture(data_sample)
        return draw(name, image, data_sample, *args, **kwargs)

    visualizer.add_datasample = draw_on_enhanced
    return inferencer
