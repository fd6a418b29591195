"""NightCity: 4,297 night pictures of many cities (Tan et al., TIP 2021) with the classes of Cityscapes."""

from __future__ import annotations

from typing import Any

from mmseg.datasets import CityscapesDataset as _CityscapesDataset

from llv.registry import DATASETS

from .checked import CheckedSegDataset, chosen, warn

NIGHT_CITY_COUNTS = {'train': 2998, 'val': 1299}
"""Pictures of each subset."""


@DATASETS.register_module()
class NightCityDataset(CheckedSegDataset, _CityscapesDataset):
    """NightCity, 1024x512, 19 classes of Cityscapes, 255 ignored.

    What is known: the authors publish two archives, whose label maps hold the 34 **label ids** of Cityscapes and have
    to be converted once, with ``tools/dataset_converters/label_ids_to_train_ids.py data/NightCity``. Public readers of
    these archives agree on folders and names::

        data/NightCity/
          NightCity-images/images/{train,val}/Chicago_0002.png ...
          NightCity-label/label/{train,val}/Chicago_0002_labelIds.png ...         as published
          NightCity-label/label/{train,val}/Chicago_0002_labelTrainIds.png ...    converted, read here

    What is a choice: the name of converted label maps, which is that of the converter, and ``data/NightCity``. The
    colour pictures in ``NightCity-label/color`` are not read.

    The relabelled NightCity-fine keeps train ids beside the pictures; it is read with
    ``data_prefix=dict(img_path='train/img', seg_map_path='train/lbl')``, ``seg_map_suffix='_trainIds.png'`` and no
    ``subset``. Results on the two sets of labels are not comparable.

    Args:
        subset: ``train`` (2,998 pictures) or ``val`` (1,299) in the layout above; another number is warned of. None for
            another layout, which ``data_prefix`` then gives.
        data_prefix: Folders ``img_path`` and ``seg_map_path`` of another layout, instead of ``subset``.
        img_suffix: How the files of pictures end.
        seg_map_suffix: How the files of label maps end.
        **kwargs: Further arguments of :class:`~llv.datasets.segmentation.checked.CheckedSegDataset`.

    Raises:
        FileNotFoundError, LabelMapError: See there.
        ValueError: An argument is out of range.
    """

    NAME = 'NightCity'
    LAYOUT = (
        '`NightCity-images/images/<train|val>/` and `NightCity-label/label/<train|val>/` (the official '
        'archives unpacked, and label ids converted)'
    )
    HOME = 'the NightCity page of its authors (dmcv.sjtu.edu.cn; for research)'

    def __init__(
        self,
        *,
        subset: str | None = None,
        data_prefix: dict[str, str] | None = None,
        img_suffix: str = '.png',
        seg_map_suffix: str = '_labelTrainIds.png',
        **kwargs: Any,
    ) -> None:
        if (subset is None) == (data_prefix is None):
            raise ValueError(
                'Give either `subset` (`train` or `val`, in the official layout) or `data_prefix`.'
            )
        if subset is not None:
            (subset,) = chosen('subset', subset, NIGHT_CITY_COUNTS)
            data_prefix = dict(
                img_path=f'NightCity-images/images/{subset}',
                seg_map_path=f'NightCity-label/label/{subset}',
            )
        self.subset = subset
        super().__init__(
            data_prefix=data_prefix, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs
        )

    def choose(self, names: list[str]) -> list[str]:
        """All pictures; their number is compared with the official one."""
        if self.subset and not self.ann_file and len(names) != NIGHT_CITY_COUNTS[self.subset]:
            warn(
                f'NightCity {self.subset} in `{self.data_root}` has {len(names)} pictures instead of '
                f'{NIGHT_CITY_COUNTS[self.subset]}: results are not comparable.'
            )
        return names
