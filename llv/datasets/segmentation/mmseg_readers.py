"""mmseg's readers of Cityscapes, Dark Zurich and Nighttime Driving, which refuse faulty data before anything is
trained or measured.

Their arguments, folders and suffixes are mmseg's; what is checked, and the argument ``missing``, are those of
:class:`~llv.datasets.segmentation.checked.CheckedSegDataset`.
"""

from __future__ import annotations

from mmseg.datasets import CityscapesDataset as _CityscapesDataset
from mmseg.datasets import DarkZurichDataset as _DarkZurichDataset
from mmseg.datasets import NightDrivingDataset as _NightDrivingDataset

from llv.registry import DATASETS

from .checked import CheckedSegDataset


@DATASETS.register_module()
class CityscapesDataset(CheckedSegDataset, _CityscapesDataset):
    """Cityscapes, and any set with its 19 classes whose layout the arguments describe::

        data/cityscapes/
          leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png ...
          gtFine/train/aachen/aachen_000000_000019_gtFine_labelTrainIds.png ...

    The label maps of train ids are not in the archives:
    ``tools/dataset_converters/label_ids_to_train_ids.py data/cityscapes`` makes them.
    """

    NAME = 'Cityscapes'
    LAYOUT = (
        '`leftImg8bit/<train|val>/<city>/` and `gtFine/<train|val>/<city>/` (the official archives '
        '`leftImg8bit_trainvaltest` and `gtFine_trainvaltest` unpacked, and label ids converted)'
    )
    HOME = 'cityscapes-dataset.com (registration; for non-commercial use)'


@DATASETS.register_module()
class DarkZurichDataset(CheckedSegDataset, _DarkZurichDataset):
    """Dark Zurich, of which 50 night pictures (``val/night``) are publicly labelled::

        data/dark_zurich/
          rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png ...
          gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png ...

    The names of the daylight references in ``val_ref`` (``*_ref_rgb_anon.png``) end as those of the night pictures do;
    they are left out.
    """

    NAME = 'Dark Zurich'
    LAYOUT = (
        '`rgb_anon/val/night/<record>/` and `gt/val/night/<record>/` (the official archive '
        '`Dark_Zurich_val_anon` unpacked)'
    )
    HOME = 'the Dark Zurich page of ETH Zurich (CC BY-NC 4.0)'


@DATASETS.register_module()
class NightDrivingDataset(CheckedSegDataset, _NightDrivingDataset):
    """Nighttime Driving: 50 test pictures with coarse labels::

    data/NighttimeDrivingTest/
      leftImg8bit/test/night/<name>_leftImg8bit.png ...
      gtCoarse_daytime_trainvaltest/test/night/<name>_gtCoarse_labelTrainIds.png ...
    """

    NAME = 'Nighttime Driving'
    LAYOUT = (
        '`leftImg8bit/test/night/` and `gtCoarse_daytime_trainvaltest/test/night/` (the official '
        'archive `NighttimeDrivingTest` unpacked)'
    )
    HOME = 'the Nighttime Driving page of ETH Zurich (for research)'
