"""What all data sets of pictures and references share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from .pairing import Part, listing


class Count(NamedTuple):
    """How many of something there are, and how many there should be (None: unknown)."""

    unit: str
    found: int
    expected: int | None


class PictureSet(BaseDataset):
    """Pictures, each with the reference that it should look like.

    Subclasses say in :meth:`parts` which files belong together. Records hold ``img_path`` and, where they apply,
    ``reference_path``, ``exposure`` (``'under'`` or ``'over'``: the group that measurements are reported by) and
    ``dataset`` (:attr:`name` in small letters, such as ``lol_v1``).

    Pictures without a reference are an error; references without a picture, pictures that the published list has
    and the folder lacks, and counts other than the published ones are warnings: the data can be trained on, but the
    figures are not comparable.

    Args:
        data_root: Folder of the data set.
        paired: False reads the pictures alone and asks for no references.
        **kwargs: As mmengine's ``BaseDataset`` (``pipeline``, ``indices``, ``test_mode`` …).
    """

    name = ''
    layout = ''
    home = ''

    def __init__(self, data_root: str = '', paired: bool = True, **kwargs: Any) -> None:
        self.paired = paired
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def parts(self) -> list[Part]:
        """The files of the data set, partners not yet checked."""
        raise NotImplementedError

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """What to count and how many of it were published."""
        return []

    def load_data_list(self) -> list[dict]:
        """One record a picture."""
        parts = self.parts()
        for part in parts:
            part.check()
            if part.without_picture:
                _warn(
                    f'There are references in `{part.reference_folder}` that no picture has: '
                    f'{listing(part.without_picture)}.'
                )
            if part.absent:
                _warn(
                    f'{len(part.absent)} pictures of the published list are not in `{part.picture_folder}`: '
                    f'{listing(part.absent)}.'
                )
        for unit, found, expected in self.counts(parts):
            if expected is not None and found != expected:
                _warn(
                    f'`{self.data_root}` holds {found} {unit} instead of {expected}: '
                    'results are not comparable with published ones.'
                )
        extra = {}
        if self.name:
            extra['dataset'] = self.name.lower().replace(' ', '_').replace('-', '_')
        return [record | extra for part in parts for record in part.records()]

    def folder(self, *relative: str) -> Path:
        """The first of some folders in ``data_root`` that is there, also where its case differs.

        Raises:
            FileNotFoundError: None is there; the sentence tells the layout and where the data come from.
        """
        for candidate in relative:
            path = locate(self.data_root, candidate)
            if path is not None:
                return path
        raise FileNotFoundError(
            f'{self.name} was not found in `data_root` `{self.data_root}`, which lacks {listing(relative)}: the folder '
            f'should hold {self.layout}; get the data from {self.home}, or correct `data_root`.'
        )


def chosen(argument: str, value: str, options: Sequence[Any]) -> str:
    """`value`, one of `options`.

    Raises:
        ValueError: It is none of them.
    """
    if value not in options:
        shown = ', '.join(repr(option) for option in options)
        raise ValueError(f'`{argument}` must be one of {shown}, but got {value!r}.')
    return value


def locate(root: str | PathLike[str], relative: str) -> Path | None:
    """A folder below another, the case of its names ignored where the exact ones are not there."""
    path = Path(root).expanduser()
    if (path / relative).is_dir():
        return path / relative
    for name in Path(relative).parts:
        if not path.is_dir():
            return None
        alike = sorted(
            entry
            for entry in path.iterdir()
            if entry.name.casefold() == name.casefold() and entry.is_dir()
        )
        if not alike:
            return None
        path = alike[0]
    return path


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
