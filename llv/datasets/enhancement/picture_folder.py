"""A folder of pictures, paired with references or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llv.registry import DATASETS

from .pairing import Part, find_pictures
from .picture_set import Count, PictureSet


@DATASETS.register_module()
class PictureFolder(PictureSet):
    """Every picture below a folder, in the order of its path; optionally each with the reference of the same name.

    Records hold ``img_path`` and, for pairs, ``reference_path``.

    Args:
        data_root: Folder that the prefixes are relative to.
        data_prefix: ``img``: folder of the (dark) pictures, searched recursively; ``reference``: folder of the
            references, paired by relative path without extension.
        expected: How many pictures there should be; another number is a warning.
        **kwargs: As mmengine's ``BaseDataset`` (``pipeline``, ``indices``, ``test_mode`` …).

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: It holds no picture, two have one name, or partners are missing (named).
    """

    def __init__(
        self,
        data_root: str = '',
        data_prefix: dict | None = None,
        expected: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.expected = expected
        super().__init__(data_root, data_prefix=data_prefix or dict(img=''), **kwargs)

    def parts(self) -> list[Part]:
        """The pictures, with the references where there is a prefix for them."""
        pictures, references = self.data_prefix['img'], self.data_prefix.get('reference')
        return [
            Part(
                find_pictures(pictures),
                find_pictures(references) if references and self.paired else None,
                pictures,
                references or '',
            )
        ]

    def counts(self, parts: Sequence[Part]) -> list[Count]:
        """All pictures."""
        return [Count('pictures', len(parts[0].pictures), self.expected)]
