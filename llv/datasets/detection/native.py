"""What the readers of official annotation files have in common."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmengine.logging import print_log

from llv.datasets.splits import read_split_file

from .errors import listing, nearest
from .repairs import Repairs


class NativeDetDataset(BaseDetDataset):
    """Base of the readers: filters, split files, absent files and repairs.

    Args:
        missing: ``'raise'`` or ``'skip'`` pictures whose files are absent or unreadable. Skipping is logged.
        filter_cfg: In training only: ``filter_empty_gt`` drops pictures without objects, ``min_size`` those with a
            shorter side in pixels.
        **kwargs: Further arguments of mmdet's ``BaseDetDataset``.

    Attributes:
        repairs: What was mended, dropped, found or skipped, with file and line
            (:class:`~llv.datasets.detection.repairs.Repairs`).

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self, *, missing: str = 'raise', filter_cfg: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        if missing not in ('raise', 'skip'):
            raise ValueError(f"`missing` must be 'raise' or 'skip', got `{missing}`.")
        unknown = set(filter_cfg or ()) - {'filter_empty_gt', 'min_size'}
        if unknown:
            raise ValueError(
                '`filter_cfg` knows `filter_empty_gt` and `min_size`, not '
                f'{listing(sorted(unknown))}.'
            )
        self.missing = missing
        self.repairs = Repairs()
        super().__init__(filter_cfg=filter_cfg, **kwargs)

    def filter_data(self) -> list[dict]:
        """Apply ``filter_cfg`` in training; a test keeps every picture."""
        if self.test_mode or not self.filter_cfg:
            return self.data_list
        filter_empty = self.filter_cfg.get('filter_empty_gt', False)
        min_size = self.filter_cfg.get('min_size', 0)
        kept = [
            record
            for record in self.data_list
            if (record['instances'] or not filter_empty)
            and min(record['width'], record['height']) >= min_size
        ]
        if not kept:
            raise ValueError(
                f'`filter_cfg` {self.filter_cfg} leaves none of the {len(self.data_list)} '
                'pictures: loosen it.'
            )
        return kept

    def with_text(self, record: dict) -> dict:
        """The record with the class names that ``return_classes`` asks for."""
        if self.return_classes:
            record.update(
                text=self.metainfo['classes'],
                caption_prompt=self.caption_prompt,
                custom_entities=True,
            )
        return record

    def read_split(self, path: str, known: Iterable[str], where: str) -> set[str]:
        """The lower-case stems that a split file names.

        Args:
            path: The file, relative to ``data_root`` unless it exists as given.
            known: Lower-case stems that it may name.
            where: What these are, for the message: a list file or a folder.

        Raises:
            FileNotFoundError: The file is not there.
            ValueError: It names a picture that is not known, or one twice.
        """
        if not os.path.isfile(path) and self.data_root:
            path = os.path.join(self.data_root, path)
        lines, known = read_split_file(path), set(known)
        unknown = [stem for stem in lines if stem not in known]
        if unknown:
            raise ValueError(
                f'{path}:{lines[unknown[0]]}: {listing(unknown)} not in `{where}` '
                f'({len(unknown)} in all): remove these lines or use the list they belong to.'
            )
        return set(lines)

    def settle_incomplete(
        self, name: str, problems: Mapping[str, Sequence[str]], total: int, left: int, remedy: str
    ) -> None:
        """Raise for absent or unreadable files, or note that their pictures are skipped.

        Args:
            name: Name of the dataset.
            problems: What is wrong (``'without picture'``) to the names of the files.
            total: Number of pictures asked for.
            left: Number of pictures that are complete.
            remedy: What to do, such as ``unpack both official archives again``.

        Raises:
            FileNotFoundError: ``missing='raise'``, or nothing is left.
        """
        if not problems:
            return
        details = '; '.join(
            f'{len(names)} {what}: {listing(names)}' for what, names in problems.items()
        )
        message = (
            f'{total - left} of {total} pictures of {name} in `{self.data_root}` are '
            f'incomplete ({details})'
        )
        if self.missing == 'raise':
            raise FileNotFoundError(
                f"{message}: {remedy}, or pass `missing='skip'` to go on without them."
            )
        if not left:
            raise FileNotFoundError(f'{message}: nothing is left to read.')
        warn(f"{message}; they are skipped (`missing='skip'`), so results are not comparable.")
        for what, names in problems.items():
            for file in names:
                self.repairs.add('skipped', file, what)

    def report(self, name: str, what: str, records: Sequence[dict]) -> None:
        """One line in the log: pictures, boxes and the sum of all repairs.

        Args:
            name: Name of the dataset.
            what: Which part of it.
            records: The records that were read.
        """
        counts = [len(record['instances']) for record in records]
        print_log(
            f'{name} ({what}): {len(records)} pictures with {sum(counts)} boxes, '
            f'{counts.count(0)} pictures without objects; repairs: '
            f'{self.repairs.summary() or "none"}.',
            logger='current',
            level=logging.INFO,
        )


def chosen_part(
    protocol: str | None,
    subset: str | Sequence[str] | None,
    split_file: str | None,
    protocols: Mapping[str, Mapping[str, int]],
) -> tuple[str | None, list[str] | None]:
    """The protocol and its subsets as the table of protocols writes them.

    Raises:
        ValueError: They are unknown, one is given without the other, or a split file beside them.
    """
    if protocol is None:
        if subset is not None:
            raise ValueError(f'`subset` `{subset}` needs a `protocol`: {listing(protocols)}.')
        return None, None
    (protocol,) = chosen('protocol', protocol, protocols)
    if split_file is not None:
        raise ValueError('`protocol` and `split_file` both choose the pictures: give one of them.')
    if subset is None:
        raise ValueError(
            f'`protocol` `{protocol}` needs a `subset`: {listing(protocols[protocol])}.'
        )
    return protocol, chosen('subset', subset, protocols[protocol])


def chosen(argument: str, names: str | Sequence[str], options: Iterable[str]) -> list[str]:
    """``names`` as the options write them, each once.

    Raises:
        ValueError: A name is no option.
    """
    options = list(options)
    lower = {option.lower(): option for option in options}
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if str(name).lower() not in lower:
            raise ValueError(
                f'`{argument}` must be among {listing(options, len(options))}, got `{name}`'
                f'{nearest(name, options)}.'
            )
    return list(dict.fromkeys(lower[name.lower()] for name in names))


def warn(message: str) -> None:
    """A warning in the log."""
    print_log(message, logger='current', level=logging.WARNING)
