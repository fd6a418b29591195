"""How an enhancer and a model are trained together: the six strategies, on any config without an enhancer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from .plug import plug_enhancer

STRATEGIES = (
    'detector_only',
    'zero_shot',
    'frozen',
    'end_to_end',
    'end_to_end_scene',
    'hierarchical',
)
_FROZEN = ('zero_shot', 'frozen')
_INTO = 'model.data_preprocessor.enhancer.weights'
# what a config without training has none of
TRAINING_KEYS = (
    'train_cfg',
    'train_dataloader',
    'optim_wrapper',
    'param_scheduler',
    'val_cfg',
    'val_dataloader',
    'val_evaluator',
)


def apply_strategy(
    cfg: Config,
    strategy: str,
    enhancer: str | os.PathLike | dict | None = None,
    weights: str | os.PathLike | None = None,
    recipe: str | None = None,
    recipe_options: Mapping[str, Any] | None = None,
    scene_loss: float = 1.0,
    start: str | None = None,
    start_options: Mapping[str, Any] | None = None,
) -> Config:
    """Give a config an enhancer and a way to train both.

    ``detector_only``: no enhancer. ``zero_shot``: the model is trained without one and evaluated behind it.
    ``frozen``: trained behind it. ``end_to_end``: both with the task loss ℓ_t. ``end_to_end_scene``: with ℓ_t + λ·ℓ_s.
    ``hierarchical``: the enhancer first, by `recipe` and without labels, then both with ℓ_t (RUAS, journal version).

    Args:
        cfg: Config of a model without an enhancer; it is not changed.
        strategy: One of :data:`STRATEGIES`.
        enhancer: As :func:`llv.apis.plug_enhancer`.
        weights: Weight file of the enhancer, where no `recipe` trains it.
        recipe: Config that trains the enhancer; runs first where the strategy starts from a trained one.
        recipe_options: Values that replace those of `recipe`.
        scene_loss: λ of ``end_to_end_scene``.
        start: Config whose training gives the model's first weights (for ``zero_shot`` its weights); None: as `cfg`
            says, for ``zero_shot`` the training of `cfg` itself.
        start_options: Values that replace those of `start`, or of `cfg` where that is trained first.

    Returns:
        A new config.

    Raises:
        ValueError: The strategy is unknown, lacks an enhancer or its recipe, or has one that it has no use for.
    """
    if strategy not in STRATEGIES:
        raise ValueError(
            f'There is no strategy `{strategy}`; choose from '
            + ', '.join(f'`{name}`' for name in STRATEGIES)
            + '.'
        )
    if (enhancer is None) != (strategy == 'detector_only'):
        wants = 'takes no enhancer' if enhancer is not None else 'needs an enhancer'
        raise ValueError(f'The strategy `{strategy}` {wants}; choose another or change that.')
    if strategy == 'hierarchical' and recipe is None:
        raise ValueError(
            'The strategy `hierarchical` needs the config that trains the enhancer first; name it as the recipe.'
        )
    plain = cfg
    if enhancer is None:
        cfg = Config(cfg._cfg_dict.copy(), filename=cfg.filename)
    else:
        cfg = plug_enhancer(cfg, enhancer, weights=weights, frozen=strategy in _FROZEN)
    links = list(cfg.get('upstream') or [])
    if start is None and strategy == 'zero_shot' and cfg.get('load_from') is None:
        start = plain.filename
    if start is not None:
        links.append(_link(start, start_options, 'load_from', ''))
    if recipe is not None and strategy in (*_FROZEN, 'hierarchical'):
        links.append(_link(recipe, recipe_options, _INTO, 'enhancer.'))
        cfg.model.data_preprocessor.enhancer.setdefault('weights', None)
    cfg.upstream = links
    if strategy == 'zero_shot':
        for key in TRAINING_KEYS:
            cfg[key] = None
    if strategy == 'end_to_end_scene':
        hook = dict(type='llv.EnhancerLossHook', loss_weight=scene_loss)
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
    return cfg


def _link(config: str, options: Mapping[str, Any] | None, into: str, prefix: str) -> dict[str, Any]:
    link = dict(config=str(config), take='checkpoint', into=into, prefix=prefix)
    return dict(link, cfg_options=dict(options)) if options else link
