"""What S3FD, PyramidBox and DSFD have in common: parts with defaults, and their preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet.models.detectors import SingleStageDetector
from mmengine.config import ConfigDict

# BGR 0..255 minus the mean of the Caffe networks, not divided
FACE_PREPROCESSOR = dict(
    type='mmdet.DetDataPreprocessor', mean=[104, 117, 123], std=[1, 1, 1], bgr_to_rgb=False
)


class FaceDetector(SingleStageDetector):
    """A single-stage detector whose parts have defaults.

    Args:
        defaults: Config of each part: ``backbone``, ``neck``, ``bbox_head``, ``train_cfg``, ``test_cfg``.
        init_cfg: As in every mmengine module.
        parts: For each part, or for ``data_preprocessor`` (:data:`FACE_PREPROCESSOR`), what is to be different; see
            :func:`changed`.
    """

    def __init__(
        self, defaults: Mapping[str, Any], init_cfg: dict | None = None, **parts: Any
    ) -> None:
        defaults = dict(defaults, data_preprocessor=FACE_PREPROCESSOR)
        unknown = sorted(set(parts) - set(defaults))
        if unknown:
            raise TypeError(
                f'`{type(self).__name__}` has no argument `{unknown[0]}`; its parts are '
                f'{", ".join(f"`{part}`" for part in defaults)}.'
            )
        settled = {part: changed(cfg, parts.get(part)) for part, cfg in defaults.items()}
        super().__init__(init_cfg=init_cfg, **settled)


def changed(default: Any, change: Any) -> Any:
    """A part's config with a change: one without ``type`` replaces single arguments of the default, at any depth; one
    with ``type`` replaces the whole; None keeps it. A module as change is taken as it is.

    Example:
        >>> changed(dict(type='A', size=1, part=dict(type='B', k=2)), dict(part=dict(k=3)))
        {'type': 'A', 'size': 1, 'part': {'type': 'B', 'k': 3}}
    """
    if change is None:
        change = {}
    if not isinstance(change, Mapping) or 'type' in change or not isinstance(default, Mapping):
        return change
    merged = ConfigDict(default)
    for key, value in change.items():
        nested = isinstance(value, Mapping) and key in merged
        merged[key] = changed(merged[key], value) if nested else value
    return merged
