"""LOL: pairs of short and normal exposures (Wei et al., BMVC 2018; version 2: Yang et al., TIP 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llv.datasets.splits.enhancement import LOL_LISTED_TWICE, LOL_V1_NUMBERS
from llv.registry import DATASETS

from .pairing import Part, find_pictures
from .picture_set import Count, PictureSet, chosen


class _Layout(NamedTuple):
    pictures: str
    references: str
    prefixes: tuple[str, str]  # what the names of pictures and of references start with
    count: int


_LAYOUTS = {
    'v1': {
        'train': _Layout('our485/low', 'our485/high', ('', ''), 485),
        'test': _Layout('eval15/low', 'eval15/high', ('', ''), 15),
    },
    'v2-real': {
        'train': _Layout(
            'Real_captured/Train/Low', 'Real_captured/Train/Normal', ('low', 'normal'), 689
        ),
        'test': _Layout(
            'Real_captured/Test/Low', 'Real_captured/Test/Normal', ('low', 'normal'), 100
        ),
    },
    'v2-synthetic': {
        'train': _Layout('Synthetic/Train/Low', 'Synthetic/Train/Normal', ('', ''), 900),
        'test': _Layout('Synthetic/Test/Low', 'Synthetic/Test/Normal', ('', ''), 100),
    },
}


@DATASETS.register_module()
class LOLDataset(PictureSet):
    """LOL in its official folders::

        data/LOL/     our485/{low,high}/2.png ...          eval15/{low,high}/1.png ...
        data/LOL-v2/  Real_captured/{Train,Test}/{Low,Normal}/{low,normal}00001.png ...
                      Synthetic/{Train,Test}/{Low,Normal}/...

    The pictures of version 1 are contained in the real part of version 2: do not train on one and test on the
    other. RUAS (Liu et al., TPAMI 2022) counts 689 + 100 pairs of "LOL", which are the sizes of the latter.

    Records hold ``img_path``, ``reference_path``, ``exposure='under'`` and ``dataset``.

    Args:
        data_root: Folder of that version.
        version: ``'v1'`` (485/15 pairs), ``'v2-real'`` (689/100) or ``'v2-synthetic'`` (900/100).
        subset: ``'train'``, ``'test'``, or ``'all'``: both, as PSENet (Nguyen et al., WACV 2023) measures on the 500
            pairs of version 1.
        unique: False repeats the training pairs 9, 91 and 789 of version 1, which the training list of FECNet and
            ECLNet, and so the host networks of ERL, names twice.
        paired: False reads the dark pictures alone.
        **kwargs: As mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: An argument is out of range, or partners are missing (named).
    """

    home = 'the project page of RetinexNet (v1) or of its authors (v2) (for research)'

    def __init__(
        self,
        data_root: str = 'data/LOL',
        version: str = 'v1',
        subset: str = 'train',
        unique: bool = True,
        paired: bool = True,
        **kwargs: Any,
    ) -> None:
        self.version = chosen('version', version, list(_LAYOUTS))
        subset = chosen('subset', subset, ['train', 'test', 'all'])
        self.subsets = ['train', 'test'] if subset == 'all' else [subset]
        if not unique and (version != 'v1' or 'train' not in self.subsets):
            raise ValueError("`unique=False` repeats training pairs of `version='v1'` only.")
        self.unique = unique
        self.name = f'LOL {version}'
        self.layout = ' and '.join(
            f'`{folder}`' for layout in _LAYOUTS[version].values() for folder in layout[:2]
        )
        super().__init__(data_root, paired, **kwargs)

    def parts(self) -> list[Part]:
        """One part a subset."""
        parts = []
        for subset in self.subsets:
            low, high, (dark, normal), _ = _LAYOUTS[self.version][subset]
            pictures = self.folder(low)
            references = self.folder(high) if self.paired else None
            parts.append(
                Part(
                    find_pictures(pictures),
                    None if references is None else find_pictures(references),
                    str(pictures),
                    str(references),
                    partner=lambda name, dark=dark, normal=normal: normal + name.removeprefix(dark),
                    exposure=lambda name: 'under',
                    wanted=[str(number) for number in LOL_V1_NUMBERS[subset]]
                    if self.version == 'v1'
                    else [],
                )
            )
        return parts

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """The pictures of each subset."""
        return [
            Count(f'{subset} pictures', len(part.pictures), _LAYOUTS[self.version][subset].count)
            for subset, part in zip(self.subsets, parts, strict=True)
        ]

    def load_data_list(self) -> list[dict]:
        """One record a picture; those that the authors' list repeats come again at the end."""
        records = super().load_data_list()
        if self.unique:
            return records
        twice = {str(number) for number in LOL_LISTED_TWICE}
        pictures = self.parts()[0].pictures
        again = {str(path) for name, path in pictures.items() if name in twice}
        return records + [dict(record) for record in records if record['img_path'] in again]
