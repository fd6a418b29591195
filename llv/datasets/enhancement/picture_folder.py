"""A folder of pictures, paired with references or not."""

from __future__ import annotations

from pathlib import Path

from mmengine.dataset import BaseDataset

from llv.registry import DATASETS

PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


@DATASETS.register_module()
class PictureFolder(BaseDataset):
    """Every picture below a folder, in the order of its path; optionally each with the reference of the same name.

    Records hold ``img_path`` and, for pairs, ``reference_path``.

    Args:
        data_root: Folder that the prefixes are relative to.
        data_prefix: ``img``: folder of the (dark) pictures, searched recursively; ``reference``: folder of the
            references, paired by relative path without extension.
        **kwargs: As mmengine's ``BaseDataset`` (``pipeline``, ``indices``, ``test_mode`` …).

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: It holds no picture, or partners are missing (named).
    """

    def __init__(self, data_root: str = '', data_prefix: dict | None = None, **kwargs) -> None:
        super().__init__(
            ann_file='', data_root=data_root, data_prefix=data_prefix or dict(img=''), **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """One record a picture."""
        pictures = _pictures(self.data_prefix['img'])
        if not self.data_prefix.get('reference'):
            return [dict(img_path=str(path)) for path in pictures.values()]
        references = _pictures(self.data_prefix['reference'])
        missing = [name for name in pictures if name not in references]
        if missing:
            shown = ', '.join(f'`{name}`' for name in missing[:10])
            raise ValueError(
                f'{len(missing)} of {len(pictures)} pictures in `{self.data_prefix["img"]}` have no reference in '
                f'`{self.data_prefix["reference"]}` (first: {shown}); add them or remove the pictures.'
            )
        return [
            dict(img_path=str(path), reference_path=str(references[name]))
            for name, path in pictures.items()
        ]


def _pictures(folder: str) -> dict[str, Path]:
    """Pictures below a folder by relative path without extension."""
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f'The picture folder `{root}` is not there; check `data_root` and `data_prefix`.'
        )
    found = sorted(path for path in root.rglob('*') if path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise ValueError(
            f'`{root}` holds no picture; llv reads {", ".join(suffix[1:] for suffix in PICTURE_SUFFIXES)}.'
        )
    named: dict[str, Path] = {}
    for path in found:
        name = path.relative_to(root).with_suffix('').as_posix()
        if name in named:
            raise ValueError(f'`{path}` and `{named[name]}` have one name; keep one of them.')
        named[name] = path
    return named
