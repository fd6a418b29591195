"""Tiny dark data sets in the layouts that upstream configs read: COCO, ADE20K, Cityscapes and ImageNet."""

import json
from pathlib import Path

import cv2
import numpy as np

SIZE = (96, 128)  # height, width
TRAIN, VAL = 4, 2


def dark_scene(seed):
    """A dark picture with three rectangles.

    Returns:
        (H, W, 3) uint8 BGR, and the rectangles as a list of [left, top, width, height].
    """
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 12, (*SIZE, 3), dtype=np.uint8)
    boxes = []
    for left in (4, 46, 88):
        top = int(rng.integers(4, 40))
        width, height = (int(side) for side in rng.integers(30, 38, 2))
        picture[top : top + height, left : left + width] += rng.integers(10, 50, 3, dtype=np.uint8)
        boxes.append([left, top, width, height])
    return picture, boxes


def _splits():
    for split, count, first in (('train', TRAIN, 0), ('val', VAL, TRAIN)):
        yield split, range(first, first + count)


def write_coco(root):
    """COCO 2017 with its eighty categories, boxes and polygons."""
    from mmdet.datasets import CocoDataset

    categories = [
        dict(id=i + 1, name=name) for i, name in enumerate(CocoDataset.METAINFO['classes'])
    ]
    (root / 'annotations').mkdir(parents=True)
    for split, seeds in _splits():
        folder = root / f'{split}2017'
        folder.mkdir()
        images, annotations = [], []
        for seed in seeds:
            picture, boxes = dark_scene(seed)
            name = f'{seed:012d}.png'
            cv2.imwrite(str(folder / name), picture)
            images.append(dict(id=seed, file_name=name, height=SIZE[0], width=SIZE[1]))
            for x, y, w, h in boxes:
                number = len(annotations)
                outline = [x, y, x + w, y, x + w, y + h, x, y + h]
                annotations.append(
                    dict(id=number + 1, image_id=seed, category_id=1 + number % 3, iscrowd=0)
                    | dict(bbox=[x, y, w, h], area=w * h, segmentation=[outline])
                )
        coco = dict(images=images, annotations=annotations, categories=categories)
        file = root / 'annotations' / f'instances_{split}2017.json'
        file.write_text(json.dumps(coco), encoding='utf-8')
    return root


def write_ade20k(root):
    """ADE20K: labels 1, 2 and 3 on 0, which means none."""
    for split, folder in (('train', 'training'), ('val', 'validation')):
        _write_labelled(
            root, split, f'images/{folder}/{{}}.jpg', f'annotations/{folder}/{{}}.png', first=1
        )
    return root


def write_cityscapes(root):
    """Cityscapes: train ids 0, 1 and 2 on 255, which means none."""
    for split in ('train', 'val'):
        stem = f'{split}/somewhere/{{}}'
        picture, label = f'{stem}_leftImg8bit.png', f'{stem}_gtFine_labelTrainIds.png'
        _write_labelled(root, split, f'leftImg8bit/{picture}', f'gtFine/{label}', first=0, none=255)
    return root


def write_imagenet(root):
    """ImageNet with lists in `meta`, three classes of its thousand."""
    (root / 'meta').mkdir(parents=True)
    for split, seeds in _splits():
        (root / split).mkdir()
        lines = []
        for seed in seeds:
            cv2.imwrite(str(root / split / f'{seed}.png'), dark_scene(seed)[0])
            lines.append(f'{seed}.png {seed % 3}\n')
        (root / 'meta' / f'{split}.txt').write_text(''.join(lines), encoding='utf-8')
    return root


def _write_labelled(root, split, picture_name, label_name, first, none=0):
    for seed in dict(_splits())[split]:
        picture, boxes = dark_scene(seed)
        labels = np.full(SIZE, none, np.uint8)
        for number, (x, y, w, h) in enumerate(boxes):
            labels[y : y + h, x : x + w] = first + number
        for name, array in ((picture_name, picture), (label_name, labels)):
            file = Path(root, name.format(seed))
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), array)


WRITERS = dict(
    coco=write_coco, ade20k=write_ade20k, cityscapes=write_cityscapes, imagenet=write_imagenet
)
