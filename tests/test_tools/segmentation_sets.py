"""Tiny segmentation sets in the layouts of their authors' archives. Knows nothing of the tools that read them."""

import numpy as np
from PIL import Image

SIZE = (8, 6)  # width, height


def picture(path, size=SIZE):
    """A dark picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, (9, 5, 3)).save(path)
    return path


def label(path, ids=(0, 10, 18, 255), size=SIZE):
    """A label map with these ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.resize(np.uint8(ids), size[::-1])).save(path)
    return path


def acdc(root, counts=(('night', 'train', 3), ('night', 'val', 2))):
    """ACDC: records of two pictures, with references and the other files of the archive of labels."""
    for condition, split, count in counts:
        for number in range(count):
            record = f'GOPR{number // 2:04}'
            stem = f'{record}_frame_{number:06}'
            picture(root / f'rgb_anon/{condition}/{split}/{record}/{stem}_rgb_anon.png')
            picture(root / f'rgb_anon/{condition}/{split}_ref/{record}/{stem}_rgb_ref_anon.png')
            if split != 'test':
                folder = root / f'gt/{condition}/{split}/{record}'
                label(folder / f'{stem}_gt_labelTrainIds.png')
                label(folder / f'{stem}_gt_labelIds.png', (7, 23, 33, 0))
                picture(folder / f'{stem}_gt_labelColor.png')
                label(folder / f'{stem}_gt_invIds.png', (0, 1))
    return root


def dark_zurich(root, count=2):
    """Dark Zurich: the archive of val, whose references end as pictures do."""
    for number in range(count):
        stem = f'GOPR0356_frame_{number:06}'
        picture(root / f'rgb_anon/val/night/GOPR0356/{stem}_rgb_anon.png')
        picture(root / f'rgb_anon/val_ref/day/GOPR0356_ref/{stem}_ref_rgb_anon.png')
        folder = root / 'gt/val/night/GOPR0356'
        label(folder / f'{stem}_gt_labelTrainIds.png')
        label(folder / f'{stem}_gt_invGray.png', (0, 255))
    return root


def nighttime_driving(root, count=2):
    """Nighttime Driving."""
    for number in range(count):
        stem = f'0_frame_{number:04}'
        picture(root / f'leftImg8bit/test/night/{stem}_leftImg8bit.png')
        folder = root / 'gtCoarse_daytime_trainvaltest/test/night'
        label(folder / f'{stem}_gtCoarse_labelTrainIds.png')
        label(folder / f'{stem}_gtCoarse_labelIds.png', (7, 33))
    return root


def cityscapes(root, counts=(('train', 2), ('val', 1), ('test', 1)), converted=True):
    """Cityscapes, whose train ids have to be made."""
    for split, count in counts:
        for number in range(count):
            stem = f'ulm_{number:06}_000019'
            picture(root / f'leftImg8bit/{split}/ulm/{stem}_leftImg8bit.png')
            folder = root / f'gtFine/{split}/ulm'
            label(folder / f'{stem}_gtFine_labelIds.png', (7, 23, 33, 4))
            picture(folder / f'{stem}_gtFine_color.png')
            if converted and split != 'test':
                label(folder / f'{stem}_gtFine_labelTrainIds.png')
    return root


def night_city(root, counts=(('train', 2), ('val', 1))):
    """NightCity, after its label ids were mapped."""
    for split, count in counts:
        for number in range(count):
            picture(root / f'NightCity-images/images/{split}/Paris_{number:04}.png')
            folder = root / f'NightCity-label/label/{split}'
            label(folder / f'Paris_{number:04}_labelIds.png', (7, 23, 33, 0))
            label(folder / f'Paris_{number:04}_labelTrainIds.png')
    return root
