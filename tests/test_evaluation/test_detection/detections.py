"""Random pictures with objects and detections, as data samples; knows nothing of the metrics."""

import numpy as np
import torch

SIZE = 200


def boxes_like(rng, count, sides=(4, 60)):
    corners = rng.uniform(0, SIZE - sides[1], (count, 2))
    return np.hstack([corners, corners + rng.uniform(*sides, (count, 2))])


def tensors(boxes, labels=None, scores=None):
    boxes = torch.as_tensor(np.asarray(boxes), dtype=torch.float32).reshape(-1, 4)
    fields = dict(bboxes=boxes)
    fields['labels'] = torch.as_tensor(
        np.zeros(len(boxes), int) if labels is None else np.asarray(labels, int)
    ).long()
    if scores is not None:
        fields['scores'] = torch.as_tensor(np.asarray(scores), dtype=torch.float32)
    return fields


def sample(objects, found, scores, labels=None, found_labels=None, ignored=(), **meta):
    """What mmengine's evaluator hands to a metric."""
    ignored_labels = meta.pop('ignored_labels', None)
    return dict(
        gt_instances=tensors(objects, labels),
        ignored_instances=tensors(np.reshape(ignored, (-1, 4)), ignored_labels),
        pred_instances=tensors(found, found_labels, scores),
        **meta,
    )


def random_samples(seed, pictures=12, classes=3, most=8, ignore=True):
    """Objects, some ignored, and detections: jittered objects, doubles and wrong ones; no equal scores."""
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(pictures):
        boxes = boxes_like(rng, rng.integers(0, most))
        labels = rng.integers(0, classes, len(boxes))
        hidden = rng.random(len(boxes)) < (0.25 if ignore else 0)
        near = np.repeat(boxes, 2, 0) + rng.normal(0, 4, (2 * len(boxes), 4))
        found = np.vstack([near, boxes_like(rng, rng.integers(0, 6))])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        found_labels = rng.integers(0, classes, len(found))
        found_labels[: len(near)] = np.where(
            rng.random(len(near)) < 0.8, np.repeat(labels, 2), found_labels[: len(near)]
        )
        samples.append(
            sample(
                boxes[~hidden], found, rng.random(len(found)), labels[~hidden], found_labels,
                boxes[hidden], ignored_labels=labels[hidden],
                img_path=f'{index}.png', light='Low' if index % 3 else 'Strong', indoor=index % 2 == 0,
            )
        )  # fmt: skip
    return samples


def evaluate(metric, samples, classes=('a', 'b', 'c')):
    metric.dataset_meta = dict(classes=tuple(classes))
    for one in samples:
        metric.process(None, [one])
    return metric.evaluate(len(samples))
