"""ACDC: 4,006 pictures in fog, at night, in rain and in snow (Sakaridis et al., ICCV 2021), read as its authors publish
it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from mmseg.datasets import CityscapesDataset as _CityscapesDataset

from llv.datasets.splits.acdc import (
    ACDC_CONDITIONS,
    ACDC_COUNTS,
    ACDC_PROTOCOLS,
    acdc_subset,
)
from llv.registry import DATASETS

from .checked import CheckedSegDataset, chosen, warn

_SUBSETS = ('train', 'val', 'test')


@DATASETS.register_module()
class ACDCDataset(CheckedSegDataset, _CityscapesDataset):
    """ACDC in its official files, without conversion::

        data/ACDC/
          rgb_anon/night/train/GOPR0351/GOPR0351_frame_000159_rgb_anon.png ...
          gt/night/train/GOPR0351/GOPR0351_frame_000159_gt_labelTrainIds.png ...

    ``fog``, ``rain`` and ``snow`` lie beside ``night``; ``train_ref`` and so on, beside ``train``, are not read. The 19
    classes are those of Cityscapes, 255 is ignored. Pictures are 1920x1080. One line in the log gives the number of
    pictures; another one warns if it is not the official one (train 400, val 100, at night 106, test 500).

    The test pictures have no labels: ``subset='test'`` needs ``test_mode=True`` and a metric that writes label maps,
    such as ``llv.LabelMapExport``.

    Copies in another layout, such as the flattened ``rgb/train`` and ``new_gt_labelTrainIds/train``, are read by
    ``llv.CityscapesDataset`` with ``data_prefix``, ``img_suffix='_rgb_anon.png'`` and
    ``seg_map_suffix='_gt_labelTrainIds.png'``.

    Args:
        conditions: Condition or conditions, of ``fog``, ``night``, ``rain``, ``snow``; the night alone by default.
        subset: ``train``, ``val`` or ``test``, or several of them; of a protocol its own.
        protocol: None for the official division, or ``acdc_night_ruas``: **our** seeded 400/106 (``train``, ``test``)
            of the union of night train and val, in the numbers of RUAS, whose list is unpublished. All 506 pictures
            must be there. See :data:`~llv.datasets.splits.acdc.ACDC_PROTOCOLS`.
        seed: Seed of the protocol; the published name means seed 0.
        data_prefix: The two roots, ``img_path`` and ``seg_map_path``; one without ``seg_map_path`` reads pictures
            without labels.
        ann_file: Instead of all that, a list of names relative to the roots and without suffix, such as
            ``night/train/GOPR0351/GOPR0351_frame_000159``.
        img_suffix: How the files of pictures end.
        seg_map_suffix: How the files of label maps end.
        **kwargs: Further arguments of :class:`~llv.datasets.segmentation.checked.CheckedSegDataset`.

    Raises:
        FileNotFoundError, LabelMapError: See there.
        ValueError: An argument is out of range, or the protocol does not find its 506 pictures.
    """

    NAME = 'ACDC'
    LAYOUT = (
        '`rgb_anon/<condition>/<train|val|test>/` and `gt/<condition>/<train|val>/` (the official '
        'archives `rgb_anon_trainvaltest` and `gt_trainval` unpacked)'
    )
    HOME = 'acdc.vision.ee.ethz.ch (registration; for non-commercial research)'

    def __init__(
        self,
        *,
        conditions: str | Sequence[str] | None = None,
        subset: str | Sequence[str] | None = None,
        protocol: str | None = None,
        seed: int = 0,
        data_prefix: dict[str, str] | None = None,
        ann_file: str = '',
        img_suffix: str = '_rgb_anon.png',
        seg_map_suffix: str = '_gt_labelTrainIds.png',
        **kwargs: Any,
    ) -> None:
        if ann_file and (conditions or subset or protocol):
            raise ValueError(
                '`ann_file` chooses the pictures, and so do `conditions`, `subset` and `protocol`: '
                'leave one or the other out.'
            )
        if not ann_file and not subset:
            raise ValueError('`subset` is missing: give `train`, `val` or `test`.')
        if protocol is not None:
            (protocol,) = chosen('protocol', protocol, ACDC_PROTOCOLS)
            if conditions is not None and chosen('conditions', conditions, ACDC_CONDITIONS) != [
                'night'
            ]:
                raise ValueError(f'`{protocol}` divides night pictures: leave `conditions` out.')
        self.conditions = chosen(
            'conditions', 'night' if conditions is None else conditions, ACDC_CONDITIONS
        )
        parts = ACDC_PROTOCOLS[protocol] if protocol else _SUBSETS
        self.subset = chosen('subset', subset, parts) if subset else []
        self.protocol, self.seed = protocol, seed
        if data_prefix is None:
            data_prefix = dict(img_path='rgb_anon', seg_map_path='gt')
        if 'test' in self.subset and not protocol:
            if len(self.subset) > 1 and data_prefix.get('seg_map_path'):
                raise ValueError(
                    '`subset` mixes `test`, which has no labels, with others: read it by itself, or all without '
                    "labels with `data_prefix=dict(img_path='rgb_anon')`."
                )
            data_prefix = {key: path for key, path in data_prefix.items() if key != 'seg_map_path'}
        super().__init__(
            data_prefix=data_prefix,
            ann_file=ann_file,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )

    def folders(self) -> list[str]:
        """``<condition>/<subset>`` of every part that is read."""
        subsets = ['train', 'val'] if self.protocol else self.subset
        return [f'{condition}/{subset}' for condition in self.conditions for subset in subsets]

    def part(self) -> str:
        """Conditions and subsets, for the log."""
        if self.ann_file:
            return super().part()
        return f'{self.protocol or "+".join(self.conditions)} {"+".join(self.subset)}'

    def choose(self, names: list[str]) -> list[str]:
        """The subset of the protocol, or all; numbers are compared with the official ones."""
        if self.ann_file:
            return names
        if self.protocol:
            stems = {name: PurePath(name).name.lower() for name in names}
            wanted = set().union(
                *(acdc_subset(self.protocol, s, stems.values(), self.seed) for s in self.subset)
            )
            return [name for name in names if stems[name] in wanted]
        found = dict.fromkeys(self.folders(), 0)
        for name in names:
            found['/'.join(PurePath(name).parts[:2])] += 1
        different = []
        for folder, number in found.items():
            condition, subset = folder.split('/')
            if number != (official := ACDC_COUNTS[condition][subset]):
                different.append(f'{folder} has {number} pictures instead of {official}')
        if different:
            warn(
                f'ACDC in `{self.data_root}` is not the official one ({"; ".join(different)}): results are not '
                'comparable.'
            )
        return names
