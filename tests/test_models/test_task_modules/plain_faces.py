"""The rules of the face detectors a second time, in loops: anchors, matching, loss, decoding, NMS, voting.

Boxes are lists or rows ``x1, y1, x2, y2`` in pixels.
"""

import math

import numpy as np

STRIDES = (4, 8, 16, 32, 64, 128)
SIZES = (16, 32, 64, 128, 256, 512)


def map_sizes(height, width, strides=STRIDES):
    return [(math.ceil(height / s), math.ceil(width / s)) for s in strides]


def anchors(height, width, first_level=0, scale=1.0, ratio=1.0, clamp=False):
    """All anchors of one group on a picture, level by level, row by row."""
    boxes = []
    levels = zip(map_sizes(height, width), STRIDES, SIZES, strict=True)
    for level, ((rows, columns), stride, size) in enumerate(levels):
        if level < first_level:
            continue
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                w, h = size * scale / math.sqrt(ratio), size * scale * math.sqrt(ratio)
                if clamp:
                    x, y, w, h = min(x, width), min(y, height), min(w, width), min(h, height)
                boxes.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return boxes


def iou(a, b):
    """In the precision of the numbers given, so that equal overlaps stay equal."""
    zero = a[0] * 0
    w = max(min(a[2], b[2]) - max(a[0], b[0]), zero)
    h = max(min(a[3], b[3]) - max(a[1], b[1]), zero)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return w * h / union if union > 0 else zero


def match(priors, faces, threshold, compensate=None, candidate=0.1):
    """For each anchor 1 + the index of its face, or 0."""
    overlap = [[iou(prior, face) for prior in priors] for face in faces]
    owner = [0] * len(priors)
    for a in range(len(priors)):
        best = max(range(len(faces)), key=lambda f: overlap[f][a], default=None)
        if best is not None and overlap[best][a] >= threshold:
            owner[a] = best + 1
    for f, row in enumerate(overlap):
        if max(row) > 0:
            owner[row.index(max(row))] = f + 1
    counts = [owner.count(f + 1) for f in range(len(faces))]
    wanted = sum(counts) // max(len(faces), 1) if compensate == 'mean' else compensate or 0
    for f, row in enumerate(overlap):
        free = [a for a in range(len(priors)) if owner[a] == 0 and row[a] > candidate]
        free.sort(key=lambda a: -row[a])
        for a in free[: max(wanted - counts[f], 0)]:
            owner[a] = f + 1
    return owner


def encode(prior, face):
    w, h = prior[2] - prior[0], prior[3] - prior[1]
    x = (face[0] + face[2] - prior[0] - prior[2]) / 2 / w / 0.1
    y = (face[1] + face[3] - prior[1] - prior[3]) / 2 / h / 0.1
    return [
        x,
        y,
        math.log((face[2] - face[0]) / w) / 0.2,
        math.log((face[3] - face[1]) / h) / 0.2,
    ]


def decode(prior, delta):
    w, h = prior[2] - prior[0], prior[3] - prior[1]
    x = (prior[0] + prior[2]) / 2 + 0.1 * delta[0] * w
    y = (prior[1] + prior[3]) / 2 + 0.1 * delta[1] * h
    w, h = w * math.exp(0.2 * delta[2]), h * math.exp(0.2 * delta[3])
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def multi_box_loss(pictures):
    """Cross-entropy and smooth L1 of one group over a batch.

    Args:
        pictures: For each picture its anchors, their (face, background) scores, their deltas, their
            owners, and the faces.
    """
    total = max(sum(o > 0 for *_, owner, _ in pictures for o in owner), 1)
    loss_cls = loss_bbox = 0.0
    for priors, scores, deltas, owner, faces in pictures:
        positive = [a for a, o in enumerate(owner) if o > 0]
        normaliser = [math.log(math.exp(face) + math.exp(back)) for face, back in scores]
        hardest = sorted((normaliser[a] - scores[a][1] for a, o in enumerate(owner) if o == 0))
        hardest = hardest[::-1][: min(3 * len(positive), len(priors) - 1)]
        loss_cls += sum(normaliser[a] - scores[a][0] for a in positive) + sum(hardest)
        for a in positive:
            for got, wanted in zip(deltas[a], encode(priors[a], faces[owner[a] - 1]), strict=True):
                error = abs(got - wanted)
                loss_bbox += error**2 / 2 if error < 1 else error - 0.5
    return loss_cls / total, loss_bbox / total


def nms(boxes, scores, threshold):
    """Indices of what is kept, best first."""
    kept = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def vote(boxes, scores, threshold=0.3, drop_singletons=False, cap=750):
    """Rows ``x1, y1, x2, y2, score``."""
    left = sorted(range(len(boxes)), key=lambda i: -scores[i])
    rows = []
    while left:
        best = left[0]
        group = [i for i in left if i == best or iou(boxes[best], boxes[i]) >= threshold]
        left = [i for i in left if i not in group]
        if len(group) == 1 and drop_singletons and left:
            continue
        weights = [scores[i] for i in group]
        mean = [
            sum(w * boxes[i][c] for w, i in zip(weights, group, strict=True)) / sum(weights)
            for c in range(4)
        ]
        rows.append([*mean, scores[best]])
    return np.array(rows[:cap]).reshape(-1, 5)


def rows_of(maps, start, channels):
    """Channels ``start … start + channels`` of maps (C, H, W) as rows, level by level, row by row."""
    return [
        [float(m[start + c, row, column]) for c in range(channels)]
        for m in maps
        for row in range(m.shape[1])
        for column in range(m.shape[2])
    ]
