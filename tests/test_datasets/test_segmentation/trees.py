"""Tiny segmentation sets in their official layouts, and what the readers say while they are read."""

import logging
from contextlib import contextmanager

import cv2
import numpy as np
from mmengine.logging import MMLogger

SIZE = (24, 32)  # rows, columns


def write_picture(path, seed=0, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 60, (*size, 3), np.uint8))


def write_labels(path, seed=0, ids=(*range(19), 255), size=SIZE):
    """Columns of equal ids, each at least once if there is room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = np.resize(np.random.default_rng(seed).permutation(ids), size[1])
    cv2.imwrite(str(path), np.broadcast_to(row.astype(np.uint8), size))


def write_acdc(root, conditions=('night',), frames=2):
    """Records of train, val and test of each condition, and a reference picture beside each."""
    for condition in conditions:
        for subset, records in dict(
            train=('GOPR0351', 'GP010376'), val=('GOPR0122',), test=('GP020607',)
        ).items():
            for record in records:
                for frame in range(frames):
                    name = f'{record}_frame_{frame:06d}'
                    pictures, labels = root / 'rgb_anon' / condition, root / 'gt' / condition
                    write_picture(pictures / subset / record / f'{name}_rgb_anon.png', frame)
                    write_picture(pictures / f'{subset}_ref' / record / f'{name}_rgb_ref_anon.png')
                    if subset != 'test':
                        write_labels(
                            labels / subset / record / f'{name}_gt_labelTrainIds.png', frame
                        )
    return root


@contextmanager
def log_lines(level=logging.DEBUG):
    """The lines of at least this level that go to mmengine's logger."""
    lines = []
    handler = logging.Handler(level)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def records(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def names(dataset):
    """Picture files by name, in order."""
    return [record['img_path'].rsplit('/', 1)[-1] for record in records(dataset)]
