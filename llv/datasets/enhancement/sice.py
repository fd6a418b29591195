"""SICE: sequences of exposures (Cai et al., TIP 2018), as three exposures and as whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llv.datasets.splits.enhancement import SICE_SUBSETS, sice_numbers
from llv.registry import DATASETS

from .pairing import Part, find_pictures
from .picture_set import Count, PictureSet, chosen
from .sice_files import SICE_SEQUENCES, exposure_group, find_labels, find_sequences, part_folder

_FOLDERS = {'under': 'low', 'over': 'over'}


@DATASETS.register_module()
class SICEDataset(PictureSet):
    """Three exposures a scene, as FECNet, ECLNet and ERL use SICE::

        data/SICE_exposures/{train,test}/{low,mid,over}/1.JPG ...

    Under- and over-exposed pictures have the **middle exposure** as reference, not the fused label of SICE.
    The authors' resized copy is unpublished; ``tools/dataset_converters/sice_to_exposures.py`` makes the folders from
    the raw sequences.

    Records hold ``img_path``, ``reference_path``, ``exposure`` (``'under'`` or ``'over'``) and ``dataset``.

    Args:
        data_root: Folder with ``train`` and ``test``.
        subset: ``'train'`` (482 scenes), ``'val'`` (30 scenes of the authors' training list, **our** seeded draw, to
            choose checkpoints on), ``'trainval'`` (512: the authors' training list) or ``'test'`` (30). The authors
            choose their checkpoints on the test list, so part of the published figures is tuned on it.
        exposure: ``'under'`` or ``'over'`` alone; both by default.
        paired: False reads the pictures alone.
        **kwargs: As mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: An argument is out of range, no picture of the subset is there, or partners are missing (named).
    """

    name = 'SICE'
    layout = '`{train,test}/{low,mid,over}`'
    home = 'csjcai/SICE and convert them with `tools/dataset_converters/sice_to_exposures.py`'

    def __init__(
        self,
        data_root: str = 'data/SICE_exposures',
        subset: str = 'train',
        exposure: str | None = None,
        paired: bool = True,
        **kwargs: Any,
    ) -> None:
        self.subset = chosen('subset', subset, list(SICE_SUBSETS))
        self.exposures = (
            list(_FOLDERS) if exposure is None else [chosen('exposure', exposure, list(_FOLDERS))]
        )
        super().__init__(data_root, paired, **kwargs)

    def parts(self) -> list[Part]:
        """One part an exposure."""
        half = 'test' if self.subset == 'test' else 'train'
        wanted = [str(number) for number in sice_numbers(self.subset)]
        middle = self.folder(f'{half}/mid') if self.paired else None
        parts = []
        for exposure in self.exposures:
            folder = self.folder(f'{half}/{_FOLDERS[exposure]}')
            pictures = self._of_subset(find_pictures(folder, name_of=_scene))
            if not pictures:
                raise ValueError(
                    f'`{folder}` holds no scene of the {self.subset} subset; add scenes or choose another `subset`.'
                )
            references = middle and self._of_subset(find_pictures(middle, name_of=_scene))
            parts.append(
                Part(
                    pictures,
                    references,
                    str(folder),
                    str(middle),
                    exposure=lambda name, exposure=exposure: exposure,
                    wanted=wanted,
                )
            )
        return parts

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """The scenes of each exposure."""
        return [
            Count(
                f'{exposure}-exposed {self.subset} pictures',
                len(part.pictures),
                SICE_SUBSETS[self.subset],
            )
            for exposure, part in zip(self.exposures, parts, strict=True)
        ]

    def _of_subset(self, files: dict) -> dict:
        # a folder with other scenes than the authors' is used as it is, except that held-out scenes do not train
        held_out = {str(number) for number in sice_numbers('val')}
        if self.subset == 'val':
            return {name: path for name, path in files.items() if name in held_out}
        if self.subset == 'train':
            return {name: path for name, path in files.items() if name not in held_out}
        return files


@DATASETS.register_module()
class SICESequenceDataset(PictureSet):
    """Every exposure of the raw sequences against the sequence's fused label::

        data/SICE/Dataset_Part2/1/1.JPG ...        data/SICE/Dataset_Part2/Label/1.PNG ... (or data/SICE/Label)

    With part 2 (229 sequences) at a quarter of the side (``llv.ScaleSide``) this is how PSENet (Nguyen et al., WACV
    2023) measures on SICE; how its authors resized is not stated.

    Records hold ``img_path``, ``reference_path``, ``dataset`` and ``exposure``: ``'under'``, ``'middle'`` or
    ``'over'`` by the place in the sequence, which is our grouping; PSENet reports the mean over all.

    Args:
        data_root: Folder with ``Dataset_Part1`` or ``Dataset_Part2``.
        part: 1 (360 sequences) or 2 (229).
        paired: False reads the exposures alone.
        **kwargs: As mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: The sequences or their labels are not there.
        ValueError: An argument is out of range, a name is no number, or labels are missing (named).
    """

    name = 'SICE'
    layout = '`Dataset_Part2/<sequence>/<exposure>.JPG` and `Dataset_Part2/Label`'
    home = 'csjcai/SICE (for research)'

    def __init__(
        self, data_root: str = 'data/SICE', part: int = 2, paired: bool = True, **kwargs: Any
    ) -> None:
        self.part = chosen('part', part, list(SICE_SEQUENCES))
        super().__init__(data_root, paired, **kwargs)

    def parts(self) -> list[Part]:
        """All exposures."""
        folder = part_folder(self.data_root, self.part)
        sequences = find_sequences(folder)
        labels = find_labels(self.data_root, folder) if self.paired else None
        place = {
            f'{sequence}/{path.stem}': (path, exposure_group(index, len(files)))
            for sequence, files in sequences.items()
            for index, path in enumerate(files, 1)
        }
        return [
            Part(
                {name: path for name, (path, _) in place.items()},
                None if labels is None else find_pictures(labels),
                str(folder),
                str(labels),
                partner=lambda name: name.split('/')[0],
                exposure=lambda name: place[name][1],
            )
        ]

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """The sequences."""
        found = {name.split('/')[0] for name in parts[0].pictures}
        return [Count('sequences', len(found), SICE_SEQUENCES[self.part])]


def _scene(stem: str) -> str:
    """``0001`` and ``1`` are one scene."""
    return str(int(stem)) if stem.isdecimal() else stem
