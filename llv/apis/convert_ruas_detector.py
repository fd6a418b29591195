"""From the official checkpoint of the detector of RUAS to one that llv loads; needs mmdet."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from llv.models.detectors.ruas_detector import RUASDetector
from llv.models.enhancers.ruas import RUAS, rename_official

_ENHANCER = 'data_preprocessor.enhancer.'
_OFFICIAL_NAMES = (
    (r'^detection_net\.vgg\.(\d+)\.', r'backbone.features.\1.'),
    (r'^detection_net\.L2Normof(\d)\.', lambda match: f'neck.norm.norms.{int(match[1]) - 1}.'),
    (r'^detection_net\.extras\.(\d)\.op\.', r'neck.extra.convs.\1.'),
    (r'^detection_net\.loc_pal1\.(\d)\.op\.', r'bbox_head.reg_convs.\1.'),
    (r'^detection_net\.conf_pal1\.(\d)\.op\.', r'bbox_head.cls_convs.\1.'),
    (r'^scene\.', f'{_ENHANCER}scene.'),
)


def convert_ruas_detector(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of an official file of the journal version's detector their names in llv.

    The result is the state dict of :class:`RUASDetector` by its defaults, scene module included. The
    tensors stay as they are, the background first in those of the class layers, because
    :class:`FaceHead` swaps its outputs.

    Args:
        state_dict: The 107 tensors under ``enhance_net`` and ``detection_net``.

    Raises:
        ValueError: Tensors are missing, unknown or of another shape than that of the genotypes
            ``RUAS_SCENE_DETECTION`` and ``RUAS_DARKFACE``.
    """
    converted = {}
    for name, value in rename_official(state_dict).items():
        for pattern, replacement in _OFFICIAL_NAMES:
            name = re.sub(pattern, replacement, name)
        converted[name] = value

    # what llv keeps with a scene module, beside its parameters
    for name, value in RUAS(variant='detection').named_buffers():
        converted.setdefault(_ENHANCER + name, value)
    with torch.device('meta'):  # no memory, no random numbers
        detector = RUASDetector()
    expected = {name: value.shape for name, value in detector.state_dict().items()}
    _refuse('lacks', expected.keys() - converted.keys())
    _refuse('also holds', converted.keys() - expected.keys())
    _refuse(
        'holds other shapes for',
        {name for name, shape in expected.items() if converted[name].shape != shape},
    )
    return converted


def _refuse(what: str, names: set[str]) -> None:
    if names:
        shown = ', '.join(f'`{name}`' for name in sorted(names)[:3])
        more = f' and {len(names) - 3} more' if len(names) > 3 else ''
        raise ValueError(
            f'This is no official checkpoint of the detector of RUAS: it {what} {shown}{more} '
            "(llv's names); choose the converter of the network that the file belongs to."
        )
