"""From the files of published face detectors to checkpoints of llv's detectors.

Only names change. Tensors stay as they are, background first among the classes, since ``llv.FaceHead`` changes the
order after its maximum. The networks are those of the detectors' presets; :data:`DETECTORS` says which arguments give
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llv.utils.checkpoint import load_checkpoint
from llv.utils.downloads import sha256_of
from llv.version import __version__

# what builds the network of each kind; 'dsfd-release' also takes the depth that the file shows
DETECTORS: dict[str, dict[str, Any]] = {
    's3fd': dict(type='llv.S3FD'),
    'pyramidbox': dict(type='llv.PyramidBox'),
    'dsfd-release': dict(type='llv.DSFD', preset='release'),
    'dsfd-vgg': dict(type='llv.DSFD', preset='vgg'),
    'ruas': dict(type='llv.RUASDetector'),
}

# a beginning of names that only this kind has, to be asked in this order
_SIGNS = {
    'ruas': 'detection_net.',
    'pyramidbox': 'lfpn_topdown.',
    'dsfd-release': 'latlayer1.',
    'dsfd-vgg': 'fpn_fem.',
    's3fd': 'L2Norm3_3.',
}
_WRAPPER = 'module.'  # what torch's data parallel puts before every name

_LEVELS = range(6)
_CONV = ('weight', 'bias')
_COUNTER = 'num_batches_tracked'  # files older than PyTorch 0.4.1 have none, and nothing uses it
_NORM = ('weight', 'bias', 'running_mean', 'running_var', _COUNTER)
_VGG = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
_FEMS = ('cpm3_3', 'cpm4_3', 'cpm5_3', 'cpm7', 'cpm6_2', 'cpm7_2')  # of the release, by level
_SSH = ('ssh_1', 'ssh_dimred', 'ssh_2', 'ssh_3a', 'ssh_3b')
_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
# channels that the heads put out, level by level: where versions of a detector differ under the same names
_OUTPUTS = {
    's3fd': {'loc.{}': (4,) * 6, 'conf.{}': (4, 2, 2, 2, 2, 2)},
    'pyramidbox': {'loc_layers.{}': (8,) * 6, 'conf_layers.{}': (8, 6, 6, 6, 6, 6)},
    'dsfd-release': {
        'loc.{}.conv4': (4, 8, 12, 12, 12, 12),
        'conf.{}.conv4': (4, 6, 8, 8, 8, 8),
    },
    'dsfd-vgg': {
        **{f'loc_pal{shot}.{{}}': (4,) * 6 for shot in (1, 2)},
        **{f'conf_pal{shot}.{{}}': (2,) * 6 for shot in (1, 2)},
    },
}


def convert_detector(
    state_dict: Mapping[str, Tensor], kind: str | None = None
) -> dict[str, Tensor]:
    """Rename the tensors of a published detector.

    Args:
        state_dict: The published tensors by name. ``num_batches_tracked`` may be absent and then is 0; names may all
            begin with ``module.``.
        kind: A key of :data:`DETECTORS`; None finds out.

    Returns:
        The tensors under llv's names, complete: they load strictly into the detector of :func:`detector_of`.

    Raises:
        ValueError: Nobody knows this layout, tensors are missing or unknown, or a head has other outputs.
    """
    state_dict = _plain_names(state_dict)
    kind = recognise(state_dict) if kind is None else _known(kind)
    if kind == 'ruas':
        from .convert_ruas_detector import convert_ruas_detector  # builds the detector: needs mmdet

        return convert_ruas_detector(state_dict)
    names = _TABLES[kind](state_dict)
    missing = [n for n in names if n not in state_dict and not n.endswith(_COUNTER)]
    unknown = [n for n in state_dict if n not in names]
    if missing or unknown:
        raise ValueError(
            f'These are not the weights of `{kind}`: {_listed(missing, "missing")}, {_listed(unknown, "unknown")}; '
            'give the whole file of the published detector, or the right `kind`.'
        )
    _check_outputs(state_dict, kind)
    return {new: state_dict.get(old, torch.tensor(0)) for old, new in names.items()}


def recognise(state_dict: Mapping[str, Tensor]) -> str:
    """Whose layout the names have: a key of :data:`DETECTORS`.

    Raises:
        ValueError: No published detector has such names.
    """
    names = _plain_names(state_dict)
    for kind, sign in _SIGNS.items():
        if any(name.startswith(sign) for name in names):
            return kind
    raise ValueError(
        f'Tensors named like `{next(iter(names), "")}` belong to no layout that is known here; give a file of one of '
        f'{", ".join(f"`{kind}`" for kind in DETECTORS)}.'
    )


def detector_of(state_dict: Mapping[str, Tensor], kind: str) -> dict[str, Any]:
    """Type and arguments of the detector that the published tensors of `kind` belong to."""
    config = dict(DETECTORS[_known(kind)])
    if kind == 'dsfd-release':
        config['depth'] = _depth(_plain_names(state_dict))
    return config


def convert_detector_file(official: Path, out: Path, kind: str | None = None) -> dict[str, Any]:
    """Write a checkpoint for ``load_from``, ``tools/test.py`` and mmdet's inferencers.

    Args:
        official: The published file, opened weights-only.
        out: File to write; its folder is made.
        kind: A key of :data:`DETECTORS`; None finds out.

    Returns:
        The ``meta`` of the checkpoint: ``kind``, ``detector`` (type and arguments), ``source`` and ``sha256`` of the
        published file, ``dataset_meta`` (its one class) and llv's version.

    Raises:
        FileNotFoundError: `official` is not there.
        ValueError: It is damaged, refused, of no known layout, or would be overwritten.
    """
    if out.exists() and official.exists() and out.samefile(official):
        raise ValueError(f'`--out` is the official file `{official}` itself; choose another name.')
    state_dict = _tensors(load_checkpoint(official), official)
    kind = recognise(state_dict) if kind is None else kind
    converted = convert_detector(state_dict, kind)
    meta = dict(
        kind=kind,
        detector=detector_of(state_dict, kind),
        source=official.name,
        sha256=sha256_of(official),
        dataset_meta=dict(classes=('face',), palette=[(0, 255, 0)]),
        llv=__version__,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(meta=meta, state_dict=converted), out)
    return meta


def _tensors(checkpoint: Any, path: Path) -> dict[str, Tensor]:
    """The named tensors of a file: the file itself, or the one entry of it that holds some."""
    if isinstance(checkpoint, Mapping):
        for candidate in (checkpoint, *checkpoint.values()):
            if isinstance(candidate, Mapping) and candidate:
                if all(isinstance(value, Tensor) for value in candidate.values()):
                    return dict(candidate)
    raise ValueError(f'`{path}` holds no named tensors; give the file of a saved `state_dict`.')


def _plain_names(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if all(name.startswith(_WRAPPER) for name in state_dict):
        state_dict = {name[len(_WRAPPER) :]: value for name, value in state_dict.items()}
    return dict(state_dict)


def _known(kind: str) -> str:
    if kind not in DETECTORS:
        raise ValueError(
            f'`kind` must be one of {", ".join(f"`{k}`" for k in DETECTORS)}, but got {kind!r}.'
        )
    return kind


def _listed(names: list[str], what: str) -> str:
    shown = ', '.join(f'`{name}`' for name in names[:5])
    more = ', …' if len(names) > 5 else ''
    return f'{len(names)} {what}' + (f' ({shown}{more})' if names else '')


def _check_outputs(state_dict: Mapping[str, Tensor], kind: str) -> None:
    for pattern, channels in _OUTPUTS[kind].items():
        for level, wanted in enumerate(channels):
            name = pattern.format(level)
            got = len(state_dict[f'{name}.weight'])
            if got != wanted:
                raise ValueError(
                    f'`{name}` of this file puts out {got} channels, but that of `{kind}` {wanted}; the file is of a '
                    'version that llv does not have.'
                )


def _s3fd(_: Mapping[str, Tensor]) -> dict[str, str]:
    pairs = _vgg('neck.extra')
    pairs += _l2_norms(('L2Norm3_3', 'L2Norm4_3', 'L2Norm5_3'), 'neck.norm')
    pairs += [(f'loc.{i}', f'bbox_head.reg_convs.{i}', _CONV) for i in _LEVELS]
    pairs += [(f'conf.{i}', f'bbox_head.cls_convs.{i}', _CONV) for i in _LEVELS]
    return _table(pairs)


def _pyramidbox(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    # some versions wrap each convolution of the second block
    wrapped = any(re.match(r'cpm\.\d\.ssh_1\.conv1\.', name) for name in state_dict)
    pairs = _vgg('neck.extra')
    pairs += _l2_norms(('L2Norm3_3', 'L2Norm4_3', 'L2Norm5_3'), 'neck.norm')
    for step in range(3):  # from the coarse level down
        pairs.append((f'lfpn_topdown.{step}', f'neck.fpn.top_down.{2 - step}', _CONV))
        pairs.append((f'lfpn_later.{step}', f'neck.fpn.lateral.{2 - step}', _CONV))
    for level in _LEVELS:
        old, new = f'cpm.{level}', f'neck.context.levels.{level}'
        for branch in ('branch1', 'branch2a', 'branch2b', 'branch2c'):
            pairs.append((f'{old}.{branch}.conv1', f'{new}.{branch}.conv', _CONV))
            pairs.append((f'{old}.{branch}.bn1', f'{new}.{branch}.norm', _NORM))
        for name in _SSH:
            pairs.append((f'{old}.{name}{".conv1" if wrapped else ""}', f'{new}.{name}', _CONV))
    pairs += [(f'loc_layers.{i}', f'bbox_head.reg_convs.{i}', _CONV) for i in _LEVELS]
    pairs += [(f'conf_layers.{i}', f'bbox_head.cls_convs.{i}', _CONV) for i in _LEVELS]
    return _table(pairs)


def _dsfd_release(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    pairs = [('layer1.0', 'backbone.conv1', ('weight',)), ('layer1.1', 'backbone.bn1', _NORM)]
    blocks = _BLOCKS[_depth(state_dict)]
    for stage, old in enumerate(('layer1.4', 'layer2.0', 'layer3.0', 'layer4.0')):
        for block in range(blocks[stage]):
            part = [(f'conv{i}', ('weight',)) for i in (1, 2, 3)]
            part += [(f'bn{i}', _NORM) for i in (1, 2, 3)]
            part += [('downsample.0', ('weight',)), ('downsample.1', _NORM)] if block == 0 else []
            new = f'backbone.layer{stage + 1}'
            pairs += [(f'{old}.{block}.{n}', f'{new}.{block}.{n}', kinds) for n, kinds in part]
    for conv, old in enumerate(('layer5.0', 'layer5.3', 'layer6.0', 'layer6.3')):
        norm = f'{old[:-1]}{int(old[-1]) + 1}'  # follows its convolution
        pairs.append((old, f'neck.extra.convs.{conv}', _CONV))
        pairs.append((norm, f'neck.extra.norms.{conv}', _NORM))
    for step in (1, 2, 3):
        pairs.append((f'latlayer{step}', f'neck.fpn.top_down.{step - 1}', _CONV))
        pairs.append((f'smooth{step}', f'neck.fpn.lateral.{step - 1}', _CONV))
    for level, fem in enumerate(_FEMS):
        new = f'neck.fem.levels.{level}'
        pairs += [(f'{fem}.cpm{i}', f'{new}.cpm{i}', _CONV) for i in range(1, 6)]
    for level in _LEVELS:
        for i in range(1, 5):
            pairs.append((f'loc.{level}.conv{i}', f'bbox_head.reg_convs.{level}.conv{i}', _CONV))
            pairs.append((f'conf.{level}.conv{i}', f'bbox_head.cls_convs.{level}.conv{i}', _CONV))
    return _table(pairs)


def _dsfd_vgg(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    pairs = _vgg('neck.extra')
    pairs += _l2_norms([f'L2Normof{i}' for i in (1, 2, 3)], 'neck.norm')
    pairs += _l2_norms([f'L2Normef{i}' for i in (1, 2, 3)], 'neck.enhanced.norm')
    for step in range(
        6
    ):  # from the coarse level down; the first is the convolution of the top itself
        pairs.append((f'fpn_topdown.{step}', f'neck.enhanced.fpn.top_down.{5 - step}', _CONV))
    for step in range(5):
        pairs.append((f'fpn_latlayer.{step}', f'neck.enhanced.fpn.lateral.{4 - step}', _CONV))
    for level in _LEVELS:
        for branch in (1, 2, 3):
            old = f'fpn_fem.{level}.branch{branch}'
            new = f'neck.enhanced.fem.levels.{level}.branch{branch}'
            # the branch of one convolution is that convolution itself
            pairs += [
                (old if branch == 1 else f'{old}.{2 * i}', f'{new}.{2 * i}', _CONV)
                for i in range(branch)
            ]
        for old, new in (('pal1', 'first'), ('pal2', 'second')):
            pairs.append((f'loc_{old}.{level}', f'bbox_head.{new}.reg_convs.{level}', _CONV))
            pairs.append((f'conf_{old}.{level}', f'bbox_head.{new}.cls_convs.{level}', _CONV))
    return _table(pairs)


_TABLES = {
    's3fd': _s3fd,
    'pyramidbox': _pyramidbox,
    'dsfd-release': _dsfd_release,
    'dsfd-vgg': _dsfd_vgg,
}


def _vgg(extra: str) -> list[tuple[str, str, tuple[str, ...]]]:
    layers = [(f'vgg.{i}', f'backbone.features.{i}', _CONV) for i in _VGG]
    return layers + [(f'extras.{i}', f'{extra}.convs.{i}', _CONV) for i in range(4)]


def _l2_norms(names: Iterable[str], new: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(name, f'{new}.norms.{level}', ('weight',)) for level, name in enumerate(names)]


def _table(pairs: list[tuple[str, str, tuple[str, ...]]]) -> dict[str, str]:
    """Published name → llv's name, for each tensor of each layer."""
    return {f'{old}.{kind}': f'{new}.{kind}' for old, new, kinds in pairs for kind in kinds}


def _depth(state_dict: Mapping[str, Tensor]) -> int:
    """Depth of the ResNet, by the blocks of its stages 2 and 3."""
    found = []
    for stage in (2, 3):
        blocks = [re.match(rf'layer{stage}\.0\.(\d+)\.', name) for name in state_dict]
        found.append(1 + max((int(match[1]) for match in blocks if match), default=-1))
    for depth, blocks in _BLOCKS.items():
        if list(blocks[1:3]) == found:
            return depth
    raise ValueError(
        f'The backbone has {found[0]} and {found[1]} blocks in its second and third stage, which no ResNet of '
        f'{", ".join(map(str, _BLOCKS))} layers has; give the file of one of these.'
    )
