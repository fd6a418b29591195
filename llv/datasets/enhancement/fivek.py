"""MIT-Adobe FiveK: 5,000 photographs, each retouched by five experts (Bychkovsky et al., CVPR 2011)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llv.datasets.splits.enhancement import FIVEK_PROTOCOLS, fivek_numbers
from llv.registry import DATASETS

from .pairing import Part, find_pictures
from .picture_set import Count, PictureSet, chosen, locate


@DATASETS.register_module()
class FiveKDataset(PictureSet):
    """Renders of FiveK in pairs, however they were made::

        data/FiveK/low/0014.tif ...    data/FiveK/high/0014.jpg ...      (or train/low, test/low, train/high, test/high)

    A picture is known by its number, 1 to 5000: ``0014.tif`` and ``a0014-WP_CRW_6320.tif`` are both number 14.
    The protocol alone decides who trains, never the folder. Renders of different raw converters are not equal: state
    yours with your figures.

    Records hold ``img_path``, ``reference_path``, ``exposure='under'`` and ``dataset``.

    Args:
        data_root: Folder that the prefixes are relative to.
        data_prefix: ``img``: folder of the inputs, ``reference``: of the retouched pictures (expert C in nearly all
            papers).
        protocol: A key of :data:`~llv.datasets.splits.enhancement.FIVEK_PROTOCOLS`: ``'fecnet'`` (4500/500, the
            official lists of FECNet, which ERL's task mix uses), ``'last500'`` (4500 and the last 500) or ``'ruas'``
            (500/100: **our** seeded draw in the numbers of RUAS, whose list is unpublished).
        subset: ``'train'`` or ``'test'``.
        paired: False reads the inputs alone.
        **kwargs: As mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: An argument is out of range, a name has no number, no picture of the subset is there, or
            partners are missing (named).
    """

    name = 'FiveK'
    layout = (
        'the two folders of `data_prefix` (by default `low` and `high`), or these in `train` and '
        '`test`'
    )
    home = 'data.csail.mit.edu/graphics/fivek, rendered with a raw converter (for research)'

    def __init__(
        self,
        data_root: str = 'data/FiveK',
        data_prefix: dict | None = None,
        protocol: str = 'fecnet',
        subset: str = 'train',
        paired: bool = True,
        **kwargs: Any,
    ) -> None:
        self.protocol = chosen('protocol', protocol, list(FIVEK_PROTOCOLS))
        self.subset = chosen('subset', subset, ['train', 'test'])
        self._prefixes = dict(img='low', reference='high') | (data_prefix or {})
        super().__init__(data_root, paired, data_prefix=dict(self._prefixes), **kwargs)

    def parts(self) -> list[Part]:
        """The pictures of the subset."""
        wanted = [f'{number:04d}' for number in fivek_numbers(self.protocol, self.subset)]
        pictures = self._find('img', wanted)
        if not pictures:
            raise ValueError(
                f'`{self.data_root}` holds no picture of the {self.subset} subset of `{self.protocol}`; add the '
                'pictures or choose another `protocol`.'
            )
        references = self._find('reference', wanted) if self.paired else None
        return [
            Part(
                pictures,
                references,
                self.data_prefix['img'],
                self.data_prefix['reference'],
                exposure=lambda name: 'under',
                wanted=wanted,
            )
        ]

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """The pictures of the subset."""
        return [
            Count(
                f'{self.subset} pictures',
                len(parts[0].pictures),
                FIVEK_PROTOCOLS[self.protocol][self.subset],
            )
        ]

    def _find(self, key: str, wanted: Sequence[str]) -> dict[str, Path]:
        prefix = self._prefixes[key]
        folders = [locate(self.data_root, f'{half}/{prefix}') for half in ('train', 'test')]
        if locate(self.data_root, prefix) is not None or not any(folders):
            folders = [self.folder(prefix)]
        found = find_pictures(*filter(None, folders), name_of=fivek_name)
        allowed = set(wanted)
        return {name: path for name, path in found.items() if name in allowed}


def fivek_name(stem: str) -> str | None:
    """``0014`` and ``a0014-WP_CRW_6320`` are both ``0014``; None where there is no number from 1 to 5000."""
    match = re.match(r'a?(\d{1,4})(?!\d)', Path(stem).name)
    if match is None or not 1 <= int(match[1]) <= 5000:
        return None
    return f'{int(match[1]):04d}'
