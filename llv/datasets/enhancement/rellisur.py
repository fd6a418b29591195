"""RELLISUR: small dark pictures and large well-lit ones of the same scenes (Aakerberg et al., NeurIPS 2021 Datasets
and Benchmarks)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from llv.datasets.splits.seeded import seeded_order
from llv.registry import DATASETS

from .pairing import Part, find_pictures
from .picture_set import Count, PictureSet, chosen
from .picture_size import shown_size

RELLISUR_EXPOSURES = 5
"""Dark pictures of each scene. Their stops are in the names; not all scenes have the same."""

_SUBSETS = {'train': ('Train', 722), 'val': ('Val', 43), 'test': ('Test', 85)}
_SCALES = (1, 2, 4)
_PARTS = ('upper', 'lower')
_NAME = re.compile(r'(\d+)(-\d+(?:\.\d+)?)')
# a wrong folder shows in a few pairs; the transforms look at every one that they cut
_PAIRS_TO_COMPARE = 8


def upper_scenes(scenes: Iterable[str], seed: int = 0) -> set[str]:
    """The scenes that the upper level of TriCo's training sees: one in six.

    The first sixth, rounded down but one at least, of :func:`~llv.datasets.splits.seeded_order`; of the 722 training
    scenes 120, which leaves 602 to the lower levels (1 to 5, as TriCo divides them). Which ones its
    authors took is unpublished. Whole scenes, because the pictures of one scene share their reference.

    Args:
        scenes: Names of scenes.
        seed: Of the order.

    Raises:
        ValueError: There are fewer than two scenes.
    """
    order = seeded_order(set(scenes), seed)
    if len(order) < 2:
        raise ValueError(
            f'`part` divides scenes, but there {"is one" if order else "are none"}; add some, or take `part=None`.'
        )
    return set(order[: max(1, len(order) // 6)])


@DATASETS.register_module()
class RELLISURDataset(PictureSet):
    """RELLISUR in its official folders::

        data/RELLISUR-Dataset/{Train,Val,Test}/LLLR/00018-2.5.png ...            scene 00018 at -2.5 EV
        data/RELLISUR-Dataset/{Train,Val,Test}/NLHR/{X1,X2,X4}/00018.png ...

    ``NLHR-Duplicates``, the references repeated for each exposure, is not read. The stops are those of the names,
    whatever they are: the paper names -2.5 to -4.5 in steps of a half, and the archive also holds -5.

    Records hold ``img_path``, ``reference_path``, ``exposure='under'``, ``ev`` (float: stops), ``scene`` (its digits)
    and ``dataset``. With ``'ev'`` among the ``meta_keys`` of ``llv.PackEnhancementInputs``,
    ``llv.ImageQuality(groups='ev')`` reports each exposure.

    Args:
        data_root: Folder with ``Train``, ``Val`` and ``Test``.
        subset: ``'train'`` (722 scenes, 3610 dark pictures), ``'val'`` (43, 215) or ``'test'`` (85, 425).
        scale: Sides of the references in those of the dark pictures: 1, 2 or 4.
        part: ``'upper'`` or ``'lower'``: the training scenes of TriCo's upper level or of the levels below, see
            :func:`upper_scenes`; all by default.
        seed: Of that division.
        paired: False reads the dark pictures alone.
        **kwargs: As mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: An argument is out of range, a name has no exposure, references are missing (named), or one of eight
            pairs looked at has sizes that do not differ by `scale`.
    """

    name = 'RELLISUR'
    layout = '`{Train,Val,Test}/LLLR` and `{Train,Val,Test}/NLHR/{X1,X2,X4}`'
    home = 'doi.org/10.5281/zenodo.5234969 (CC BY 4.0)'

    def __init__(
        self,
        data_root: str = 'data/RELLISUR-Dataset',
        subset: str = 'train',
        scale: int = 2,
        part: str | None = None,
        seed: int = 0,
        paired: bool = True,
        **kwargs: Any,
    ) -> None:
        self.subset = chosen('subset', subset, list(_SUBSETS))
        self.scale = chosen('scale', scale, _SCALES)
        self.part = part and chosen('part', part, _PARTS)
        if part and subset != 'train':
            raise ValueError(
                f"`part='{part}'` divides the training scenes; leave it out for `subset='{subset}'`."
            )
        self.seed = seed
        super().__init__(data_root, paired, **kwargs)

    def parts(self) -> list[Part]:
        """The dark pictures of the subset, or of a part of its scenes."""
        half = _SUBSETS[self.subset][0]
        folder = self.folder(f'{half}/LLLR')
        pictures = find_pictures(folder, name_of=_picture_name)
        references, target = None, None
        if self.paired:
            target = self.folder(f'{half}/NLHR/X{self.scale}')
            references = find_pictures(target)
        if self.part:
            scenes = {_scene(name) for name in pictures}
            upper = upper_scenes(scenes, self.seed)
            others = scenes - upper if self.part == 'upper' else upper
            pictures = {n: path for n, path in pictures.items() if _scene(n) not in others}
            references = references and {n: p for n, p in references.items() if n not in others}
        return [
            Part(
                pictures,
                references,
                str(folder),
                str(target),
                partner=_scene,
                exposure=lambda name: 'under',
            )
        ]

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """The scenes and the dark pictures."""
        every = _SUBSETS[self.subset][1]
        if self.part:
            every = every // 6 if self.part == 'upper' else every - every // 6
        what = f'{self.subset} scenes' + (f' in the {self.part} part' if self.part else '')
        scenes = {_scene(name) for name in parts[0].pictures}
        return [
            Count(what, len(scenes), every),
            Count(
                what.replace('scenes', 'pictures'),
                len(parts[0].pictures),
                RELLISUR_EXPOSURES * every,
            ),
        ]

    def load_data_list(self) -> list[dict]:
        """One record a dark picture."""
        records = super().load_data_list()
        for record in records:
            name = _picture_name(Path(record['img_path']).stem)
            record.update(scene=_scene(name), ev=float(name.removeprefix(_scene(name))))
        if self.paired:
            step = max(1, len(records) // _PAIRS_TO_COMPARE)
            for record in records[::step][:_PAIRS_TO_COMPARE]:
                self._compare(record)
        return records

    def _compare(self, record: dict) -> None:
        # a damaged file is left to the loader, whose message tells more
        dark, bright = (shown_size(record[key]) for key in ('img_path', 'reference_path'))
        if dark and bright and bright != tuple(self.scale * side for side in dark):
            raise ValueError(
                f'`{record["reference_path"]}` is {bright[0]}x{bright[1]} and `{record["img_path"]}` '
                f'{dark[0]}x{dark[1]}, which does not fit `scale={self.scale}`; put the official `X{self.scale}` in '
                'its place, or choose another `scale`.'
            )


def _picture_name(stem: str) -> str | None:
    """The scene's digits and the stops in tenths and sign, such as ``00018-2.5``; None where there are none."""
    match = _NAME.fullmatch(stem)
    return f'{match[1]}{float(match[2])}' if match else None


def _scene(name: str) -> str:
    return name.partition('-')[0]
