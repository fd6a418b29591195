"""Scalars as mmengine writes them, and curves of them."""

import json

import numpy as np
from mmengine.visualization import LocalVisBackend

from llv.visualization import plot_curves, read_scalars


def write(folder, losses):
    backend = LocalVisBackend(str(folder / 'vis_data'))
    for step, loss in losses.items():
        backend.add_scalars(dict(loss=loss, lr=0.1), step=step)
    backend.add_scalars({'coco/bbox_mAP': 0.5}, step=max(losses))


def test_a_resumed_run_is_one_curve(tmp_path):
    write(tmp_path / '20260101_000000', {10: 5.0, 20: 4.0, 30: 3.0})
    write(tmp_path / '20260102_000000', {30: 2.5, 40: 2.0})
    found = [(record['step'], record['loss']) for record in read_scalars(tmp_path)]
    assert found == [(10, 5.0), (20, 4.0), (30, 2.5), (40, 2.0)]


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    write(tmp_path / 'a', {1: 5.0})
    with (tmp_path / 'a' / 'vis_data' / 'scalars.json').open('a') as file:
        file.write(json.dumps(dict(loss=4.0, step=2))[:-4])
    assert [record['step'] for record in read_scalars(tmp_path)] == [1]
    assert read_scalars(tmp_path / 'nothing') == []


def test_curves_hold_their_points():
    figure = plot_curves({'a': [(0, 3.0), (1, 2.0)], 'empty': [], 'b': [(0, 1.0)]}, 'loss')
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ['a', 'b']
    assert np.array_equal(axes.lines[0].get_xydata(), [[0, 3], [1, 2]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('step', 'loss')
    assert axes.lines[0].get_color() != axes.lines[1].get_color()
    assert axes.lines[1].get_marker() == '.'  # a line through one point is not to be seen
