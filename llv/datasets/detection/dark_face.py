"""DARK FACE: 6,000 labelled night pictures with faces (Yang et al., TIP 2020; UG2+ challenge), read as its authors
publish it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llv.datasets.splits import DARKFACE_PROTOCOLS, darkface_subset
from llv.registry import DATASETS

from .dark_face_files import PICTURE_SUFFIXES, Face, find_stems, read_faces
from .errors import DatasetNotFoundError, listing
from .image_sizes import ImageSize, read_image_sizes
from .native import NativeDetDataset, chosen_part, warn
from .repairs import Repairs, tidy_box

_LAYOUT = '`image/1.png` ... and `label/1.txt` ... (the official archive)'
_HOME = (
    'the DARK FACE page of its authors or the UG2+ challenge (DarkFace_Train_2021; for '
    'non-commercial research)'
)


@DATASETS.register_module()
class DarkFaceDataset(NativeDetDataset):
    """DARK FACE in its official files, without conversion::

        data/DarkFace/
          image/1.png ... image/6000.png
          label/1.txt ... label/6000.txt

    Folders of one's own in the same format, with any number of pictures and any names, are read the same way. Pictures
    come in natural order (2 before 10); the case of names and the kind of picture do not matter. A label file holds the
    number of faces and then ``xmin ymin xmax ymax`` of each, zero-based pixels. Where the number disagrees, the lines
    are trusted and a warning gives file and line. Boxes are clipped to the picture; those without area are dropped. One
    line in the log sums all repairs, and :attr:`repairs` holds them with file and line. Files are read from the local
    disk.

    A record holds ``img_path``, ``img_id`` (the number that is the picture's name, or its place in the folder where a
    name is none), ``height``, ``width``, ``instances`` (``bbox`` as x1, y1, x2, y2, ``bbox_label``, ``ignore_flag`` 0)
    and ``name``.

    Args:
        data_prefix: The folders: ``img`` of pictures, ``ann`` of labels.
        protocol: A key of :data:`~llv.datasets.splits.DARKFACE_PROTOCOLS`, for the official 6,000 pictures, or None for
            every picture: ``darkface_ruas`` (5000/1000), ``darkface_heldout500`` (5500/500) or ``darkface_5400_600``.
            Their lists come with llv and are **ours**, drawn with a fixed seed: none is official, and the list of RUAS
            is unpublished.
        subset: Subset or subsets of the protocol: ``train``, ``test``.
        split_file: Instead of a protocol, a text file with one name, stem or path per line, such as HLA-Face's own
            list; relative to ``data_root`` unless it exists as given.
        labelled: False reads pictures alone, such as the unlabelled ones or those of the challenge's test: no picture
            then has faces.
        missing: ``'raise'`` or ``'skip'`` pictures whose file or label is absent or unreadable. Skipping is logged.
        filter_cfg: In training only: ``filter_empty_gt`` drops pictures without faces, ``min_size`` those with a
            shorter side in pixels.
        **kwargs: Further arguments of mmdet's ``BaseDetDataset``: ``data_root``, ``pipeline``, ``test_mode``,
            ``metainfo`` ...

    Raises:
        DatasetNotFoundError: One of the folders is not there, or holds no picture.
        FileNotFoundError: Pictures or labels are missing or unreadable (``missing='raise'``).
        ValueError: An argument is out of range, a line of a file does not parse, or two files have one name.
    """

    METAINFO = dict(classes=('face',), palette=[(230, 159, 0)])

    def __init__(
        self,
        *,
        data_prefix: dict[str, str] | None = None,
        protocol: str | None = None,
        subset: str | Sequence[str] | None = None,
        split_file: str | None = None,
        labelled: bool = True,
        missing: str = 'raise',
        filter_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not labelled and (filter_cfg or {}).get('filter_empty_gt'):
            raise ValueError(
                '`filter_cfg` with `filter_empty_gt` drops every picture of `labelled=False`: leave one of them out.'
            )
        self.protocol, self.subset = chosen_part(protocol, subset, split_file, DARKFACE_PROTOCOLS)
        self.split_file = split_file
        self.labelled = labelled
        super().__init__(
            missing=missing,
            data_prefix={'img': 'image', 'ann': 'label', **(data_prefix or {})},
            filter_cfg=filter_cfg,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read the chosen pictures' labels and sizes."""
        if 'face' not in self.metainfo['classes']:
            raise ValueError(
                '`metainfo.classes` has no `face`, the only class of DARK FACE: add it.'
            )
        label = list(self.metainfo['classes']).index('face')
        images, labels = Path(self.data_prefix['img']), Path(self.data_prefix['ann'])
        needed = [images, labels] if self.labelled else [images]
        absent = [folder for folder in needed if not folder.is_dir()]
        if absent:
            raise DatasetNotFoundError('DARK FACE', self.data_root, absent, _LAYOUT, _HOME)

        self.repairs = Repairs()
        pictures = self._find(images, PICTURE_SUFFIXES)
        texts = self._find(labels, ('.txt',)) if self.labelled else {}
        if not pictures:
            raise DatasetNotFoundError(
                'DARK FACE', self.data_root, [images / '1.png'], _LAYOUT, _HOME
            )
        stems = self._select(pictures, texts)
        numbers = _numbers(list(pictures))
        records = []
        for stem, image, text, size in self._locate(stems, pictures, texts, images):
            width, height = size.shown()
            faces = read_faces(text, self.repairs) if text else []
            record = dict(
                img_path=str(image),
                img_id=numbers[stem],
                width=width,
                height=height,
                instances=self._instances(faces, label, width, height),
                name=image.name,
            )
            records.append(self.with_text(record))
        self._report(records)
        return records

    def _find(self, folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
        """Files by stem; further files of the same stem are named and not used."""
        found, others = find_stems(folder, suffixes)
        for files in others.values():
            for file in files:
                self.repairs.add('duplicate', str(file), 'another file of this name is used')
        if others:
            unused = [file.name for files in others.values() for file in files]
            warn(
                f'{len(unused)} files in `{folder}` are duplicates of others with another suffix '
                f'and are not used: {listing(unused)}.'
            )
        return found

    def _select(self, pictures: dict[str, Path], texts: dict[str, Path]) -> list[str]:
        """The stems of the protocol or split file, or all, in natural order."""
        every = [*pictures, *(stem for stem in texts if stem not in pictures)]
        if self.split_file is not None:
            wanted = self.read_split(self.split_file, every, self.data_prefix['img'])
            return [stem for stem in every if stem in wanted]
        if self.protocol is None:
            return every
        official = darkface_subset(self.protocol, 'train') | darkface_subset(self.protocol, 'test')
        for what, found in (('pictures', pictures), ('labels', texts)):
            extra = [file.name for stem, file in found.items() if stem not in official]
            for name in extra:
                self.repairs.add('not listed', name, 'not among the official 6000 and not used')
            if extra:
                warn(
                    f'{len(extra)} {what} are not among the official 6000 of `{self.protocol}` and '
                    f'are not used: {listing(extra)}.'
                )
        wanted = frozenset().union(*(darkface_subset(self.protocol, name) for name in self.subset))
        return sorted(wanted, key=int)

    def _locate(
        self,
        stems: list[str],
        pictures: dict[str, Path],
        texts: dict[str, Path],
        images: Path,
    ) -> list[tuple[str, Path, Path | None, ImageSize]]:
        """The files and the size of each stem; absent ones raise or are skipped."""
        problems: dict[str, list[str]] = {}
        located = []
        for stem in stems:
            if stem not in pictures:
                problems.setdefault('without picture', []).append(stem)
            elif self.labelled and stem not in texts:
                problems.setdefault('without label', []).append(pictures[stem].name)
            else:
                located.append(stem)
        sizes = read_image_sizes(images, [pictures[stem] for stem in located])
        complete = []
        for stem, size in zip(located, sizes, strict=True):
            if size is None:
                problems.setdefault('with an unreadable picture', []).append(pictures[stem].name)
            else:
                complete.append((stem, pictures[stem], texts.get(stem), size))
        remedy = 'unpack the official archive again'
        if self.protocol:
            remedy += ', leave `protocol` out for a folder of your own'
        self.settle_incomplete('DARK FACE', problems, len(stems), len(complete), remedy)
        return complete

    def _instances(self, faces: list[Face], label: int, width: int, height: int) -> list[dict]:
        boxes = [tidy_box(face.box, width, height, face.where, self.repairs) for face in faces]
        return [
            dict(bbox=list(box), bbox_label=label, ignore_flag=0)
            for box in boxes
            if box is not None
        ]

    def _report(self, records: list[dict]) -> None:
        counts = [entry for entry in self.repairs.entries if entry.kind.startswith('count')]
        if counts:
            shown = '; '.join(f'{where}: {text}' for _, where, text in counts[:10])
            more = f'; and {len(counts) - 10} more' if len(counts) > 10 else ''
            warn(f'{len(counts)} label files disagree with their first line: {shown}{more}.')
        if self.protocol:
            what = f'{self.protocol} {"+".join(self.subset)}'
        else:
            what = self.split_file or 'all pictures'
        self.report('DARK FACE', what, records)


def _numbers(stems: list[str]) -> dict[str, int]:
    """A number for each stem: itself where all are different numbers, else its place from 1."""
    if all(stem.isascii() and stem.isdigit() for stem in stems):
        numbers = {stem: int(stem) for stem in stems}
        if len(set(numbers.values())) == len(stems):
            return numbers
    return {stem: place for place, stem in enumerate(stems, 1)}
