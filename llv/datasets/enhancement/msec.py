"""MSEC: renders of FiveK at five exposures (Afifi et al., multi-scale photo exposure correction, CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llv.registry import DATASETS

from .pairing import Part, find_pictures
from .picture_set import Count, PictureSet, chosen

MSEC_EXPOSURES = {'N1.5': 'under', 'N1': 'under', '0': 'over', 'P1': 'over', 'P1.5': 'over'}
"""Suffix of a name (−1.5, −1, 0, +1, +1.5 EV) to the group that papers report: the unchanged exposure counts as
over-exposed."""

MSEC_LEAKED = 'a0016-jmac_MG_0795'
"""A test scene that FECNet's training list holds too: its five pictures are what 17,680 has more than 17,675."""

_SUBSETS = {'train': ('training', 17675), 'val': ('validation', 750), 'test': ('testing', 5905)}
_EXPERTS = tuple('abcde')


@DATASETS.register_module()
class MSECDataset(PictureSet):
    """The exposure set of Afifi et al. in its official folders::

        data/MSEC/training/{INPUT_IMAGES,GT_IMAGES}      also validation/
        data/MSEC/testing/{INPUT_IMAGES,expert_a_testing_set ... expert_e_testing_set}

    ``a0001-jmac_DSC1459_N1.5.JPG`` is the scene ``a0001-jmac_DSC1459`` at −1.5 EV: what follows the last underscore
    is the exposure, and it may hold a dot. Its reference is ``a0001-jmac_DSC1459.jpg``.

    The leaked test scene :data:`MSEC_LEAKED` is left out of training, which leaves the 17,675 pictures of the paper.

    Records hold ``img_path``, ``reference_path``, ``exposure`` (``'under'`` for −1.5 and −1 EV, ``'over'`` for the
    other three) and ``dataset``.

    Args:
        data_root: Folder with ``training``, ``validation`` and ``testing``.
        subset: ``'train'`` (17,675 pictures), ``'val'`` (750) or ``'test'`` (5,905: 2,362 under, 3,543 over).
        expert: Whose retouched test pictures are the references: ``'a'`` to ``'e'``. FECNet and ERL are taken to use
            ``'c'`` (inferred), PSENet uses ``'e'``. Training and validation have expert C's only.
        exposure: ``'under'`` or ``'over'`` alone; both by default.
        paired: False reads the pictures alone, as PSENet trains.
        **kwargs: As mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: An argument is out of range, a name has no exposure, or partners are missing (named).
    """

    name = 'MSEC'
    layout = (
        '`{training,validation}/{INPUT_IMAGES,GT_IMAGES}`, `testing/INPUT_IMAGES` and '
        '`testing/expert_c_testing_set`'
    )
    home = 'mahmoudnafifi/Exposure_Correction (for research, as FiveK)'

    def __init__(
        self,
        data_root: str = 'data/MSEC',
        subset: str = 'train',
        expert: str = 'c',
        exposure: str | None = None,
        paired: bool = True,
        **kwargs: Any,
    ) -> None:
        self.subset = chosen('subset', subset, list(_SUBSETS))
        self.expert = chosen('expert', expert, _EXPERTS)
        if expert != 'c' and subset != 'test':
            raise ValueError(
                f"`expert='{expert}'` has references for `subset='test'` only; training and validation have expert C's."
            )
        self.exposure = exposure and chosen('exposure', exposure, ['under', 'over'])
        super().__init__(data_root, paired, **kwargs)

    def parts(self) -> list[Part]:
        """All exposures asked for."""
        half, _ = _SUBSETS[self.subset]
        folder = self.folder(f'{half}/INPUT_IMAGES')
        pictures = {
            name: path
            for name, path in find_pictures(folder, name_of=_picture_name).items()
            if self._keeps(_scene(name)) and self.exposure in (None, _group(name))
        }
        references, target = None, None
        if self.paired:
            targets = f'expert_{self.expert}_testing_set' if self.subset == 'test' else 'GT_IMAGES'
            target = self.folder(f'{half}/{targets}')
            references = {
                name: path for name, path in find_pictures(target).items() if self._keeps(name)
            }
        scenes = sorted(references or {_scene(name) for name in pictures})
        wanted = [
            f'{scene}_{suffix}'
            for scene in scenes
            for suffix, group in MSEC_EXPOSURES.items()
            if self.exposure in (None, group)
        ]
        return [Part(pictures, references, str(folder), str(target), _scene, _group, wanted)]

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """All pictures of the subset."""
        _, every = _SUBSETS[self.subset]
        share = {None: 5, 'under': 2, 'over': 3}[self.exposure]
        return [Count(f'{self.subset} pictures', len(parts[0].pictures), every * share // 5)]

    def _keeps(self, scene: str) -> bool:
        return self.subset != 'train' or scene.casefold() != MSEC_LEAKED.casefold()


def _picture_name(stem: str) -> str | None:
    """The stem with the exposure in capitals, None where it has none."""
    scene, _, exposure = Path(stem).name.rpartition('_')
    return f'{scene}_{exposure.upper()}' if scene and exposure.upper() in MSEC_EXPOSURES else None


def _scene(name: str) -> str:
    return name.rpartition('_')[0]


def _group(name: str) -> str:
    return MSEC_EXPOSURES[name.rpartition('_')[2]]
