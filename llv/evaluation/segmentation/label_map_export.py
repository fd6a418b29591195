"""Label maps of predictions as files, for the servers that keep test labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from PIL import Image

from llv.registry import METRICS
from llv.utils.label_maps import CITYSCAPES_LABEL_IDS

from .class_views import check_known
from .samples import classes_of, label_map

IDS: Mapping[str, Mapping[str, int]] = dict(
    trainIds={name: index for index, name in enumerate(CITYSCAPES_LABEL_IDS)},
    labelIds=CITYSCAPES_LABEL_IDS,
)


@METRICS.register_module()
class LabelMapExport(BaseMetric):
    """Write every prediction as an 8-bit grey PNG; measure nothing and need no labels.

    The values are those of Cityscapes, looked up by the *name* of the class, so that a model of 17 classes writes
    the numbers of the 19. All files lie in one folder, as the servers expect.

    What the servers want (as the authors of methods that submitted to them describe it; look at the server's own page
    before you submit):

    * **ACDC**: train ids, in the size of the pictures, 1920 × 1080. Submissions named as the pictures are accepted.
    * **Dark Zurich**: a zip with the three folders ``labelTrainIds`` (for mIoU), ``labelTrainIds_invalid`` (train ids
      with 255 where the model calls the picture invalid) and ``confidence`` (16 bits, 0..65535 for 0..1); the latter
      two are for UIoU. A file is looked for by ``<sequence>_frame_<6 digits>*.png``. For mIoU alone, authors submit
      copies of the first folder as the other two; UIoU is then meaningless. This class writes the first.
    * **Cityscapes**: label ids (``ids='labelIds'``), names ``<city>_<sequence>_<frame>*.png``.
    * **NightCity**: no server is known; its validation labels are public.

    Our choices: files are named as the pictures unless `suffix` says otherwise, which fits all of these; a file that an
    earlier run left is replaced, other PNGs in the folder are told of, because they would be submitted too.

    Args:
        out_dir: Folder, made if needed.
        ids: ``'trainIds'`` or ``'labelIds'``.
        suffix: What ends the names of the files, such as ``'_gt_labelTrainIds.png'``.
        img_suffix: What it stands in place of, such as ``'_rgb_anon.png'``. None is the extension of the picture.
        collect_device: As mmengine's ``BaseMetric``.
        prefix: As mmengine's ``BaseMetric``.

    Raises:
        ValueError: An argument is out of range, a class is none of Cityscapes, a picture's name does not end with
            `img_suffix`, or two pictures would share a file.
    """

    def __init__(
        self,
        out_dir: str | os.PathLike[str],
        ids: str = 'trainIds',
        suffix: str = '.png',
        img_suffix: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if ids not in IDS:
            raise ValueError(f"`ids` must be 'trainIds' or 'labelIds', but got {ids!r}.")
        if not suffix.endswith('.png'):
            raise ValueError(f'`suffix` must end with `.png`, but got {suffix!r}.')
        self.out_dir = Path(out_dir)
        self.ids = ids
        self.suffix = suffix
        self.img_suffix = img_suffix
        self._values = np.zeros(0, np.uint8)
        self._written: dict[str, str] = {}

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the data set; setting it checks its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        classes = classes_of(meta, 'LabelMapExport')
        check_known(classes, tuple(CITYSCAPES_LABEL_IDS), 'The data set', 'Cityscapes')
        self._values = np.array([IDS[self.ids][name] for name in classes], np.uint8)
        self._dataset_meta = meta

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Write the predictions of a batch; each rank writes its own.

        Args:
            data_batch: Not used.
            data_samples: With ``pred_sem_seg`` and ``img_path``.
        """
        self.out_dir.mkdir(parents=True, exist_ok=True)
        for sample in data_samples:
            predicted = label_map(sample, 'pred_sem_seg').cpu().numpy()
            if 'img_path' not in sample:
                raise ValueError(
                    '`LabelMapExport` names files by `img_path`; add it to `meta_keys` of `PackSegInputs`.'
                )
            picture = sample['img_path']
            if predicted.max() >= len(self._values):
                raise ValueError(
                    f'The model gives class {predicted.max()} for `{picture}`, but the data set has '
                    f'{len(self._values)} classes; give both the same classes.'
                )
            name = self._name(picture)
            self._claim(self._written, name, picture)
            Image.fromarray(self._values[predicted]).save(self.out_dir / name)
            self.results.append((name, picture))

    def compute_metrics(self, results: list[tuple[str, str]]) -> dict[str, float]:
        """No figures; sees that no two ranks wrote the same file."""
        written: dict[str, str] = {}
        for name, picture in results:
            self._claim(written, name, picture)
        print_log(f'{len(written)} label maps are in `{self.out_dir}`.', logger='current')
        others = {file.name for file in self.out_dir.glob('*.png')} - set(written)
        if others:
            print_log(
                f'`{self.out_dir}` also holds {len(others)} PNG files that this run did not write, such as '
                f'`{min(others)}`; remove them before you submit the folder.',
                logger='current',
            )
        return {}

    def _name(self, picture: str) -> str:
        path = Path(picture)
        if self.img_suffix is None:
            return path.stem + self.suffix
        if not path.name.endswith(self.img_suffix):
            raise ValueError(
                f'`{picture}` does not end with `{self.img_suffix}`; set `img_suffix` of `LabelMapExport` to what its '
                'pictures end with.'
            )
        return path.name.removesuffix(self.img_suffix) + self.suffix

    def _claim(self, written: dict[str, str], name: str, picture: str) -> None:
        """Note a file as that of a picture; ranks may be given a picture twice, to have equally many."""
        if written.setdefault(name, picture) != picture:
            raise ValueError(
                f'`{written[name]}` and `{picture}` would both be written to `{self.out_dir / name}`; export them in '
                'two runs with an `out_dir` each.'
            )
