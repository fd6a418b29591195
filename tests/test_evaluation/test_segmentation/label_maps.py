"""Random label maps and predictions, as data samples, and a plain confusion matrix; knows nothing of the metrics."""

import numpy as np
import torch

CLASSES = ('a', 'b', 'c', 'd', 'e')


def field(values):
    return dict(data=torch.as_tensor(np.asarray(values, np.int64))[None])


def sample(predicted, label=None, **meta):
    """What mmengine's evaluator hands to a metric."""
    fields = dict(pred_sem_seg=field(predicted), img_path='a.png', **meta)
    return fields if label is None else dict(fields, gt_sem_seg=field(label))


def random_maps(seed, pictures=6, size=(13, 17), classes=4, right=0.6, ignored=0.2):
    """(prediction, label) of each picture in blocks of 3 pixels; with 5 classes to come, the last one is absent."""
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(pictures):
        blocks = rng.integers(0, classes, (size[0] // 3 + 1, size[1] // 3 + 1))
        label = np.kron(blocks, np.ones((3, 3), int))[: size[0], : size[1]]
        predicted = np.where(rng.random(size) < right, label, rng.integers(0, classes, size))
        maps.append((predicted, np.where(rng.random(size) < ignored, 255, label)))
    return maps


def confusion(maps, where=None):
    """Pixels by (label, prediction), one pixel after another."""
    matrix = np.zeros((len(CLASSES), len(CLASSES)), int)
    for index, (predicted, label) in enumerate(maps):
        for place in np.ndindex(label.shape):
            if label[place] != 255 and (where is None or where(index, place)):
                matrix[label[place], predicted[place]] += 1
    return matrix


def ious(matrix):
    """Percent by class of `CLASSES`, without absent ones."""
    figures = {}
    for index, name in enumerate(CLASSES):
        union = matrix[index].sum() + matrix[:, index].sum() - matrix[index, index]
        if union:
            figures[name] = 100 * matrix[index, index] / union
    return figures


def slow_band(label, reach):
    """Where two neighbours with different labels are less than `reach` away, looked for around each pixel."""
    ends = set()
    for row, column in np.ndindex(label.shape):
        for other in ((row + 1, column), (row, column + 1)):
            if other[0] < label.shape[0] and other[1] < label.shape[1]:
                pair = label[row, column], label[other]
                if pair[0] != pair[1] and 255 not in pair:
                    ends |= {(row, column), other}
    band = np.zeros(label.shape, bool)
    for row, column in np.ndindex(label.shape):
        band[row, column] = any(max(abs(row - r), abs(column - c)) < reach for r, c in ends)
    return band


def evaluate(metric, samples, classes=CLASSES, batches=None):
    metric.dataset_meta = dict(classes=tuple(classes))
    for index, one in enumerate(samples):
        metric.process(None if batches is None else batches[index], [one])
    return metric.evaluate(len(samples))
