"""Box voting against the same rules in loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_models.test_task_modules import plain_faces as plain

pytest.importorskip('mmdet')

from llv.models.task_modules import vote_boxes  # noqa: E402


def random_boxes(seed, count, spread):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, spread, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(8, 40, (count, 2))], axis=1)
    return torch.tensor(boxes), torch.tensor(rng.uniform(0.05, 1, count))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(0, 40),
    spread=st.sampled_from([20, 100, 400]),
    drop=st.booleans(),
    cap=st.sampled_from([3, 750]),
)
def test_voting_is_that_of_the_loops(seed, count, spread, drop, cap):
    boxes, scores = random_boxes(seed, count, spread)
    voted, best = vote_boxes(boxes, scores, drop_singletons=drop, max_per_img=cap)
    expected = plain.vote(boxes.tolist(), scores.tolist(), drop_singletons=drop, cap=cap)
    np.testing.assert_allclose(voted, expected[:, :4], rtol=1e-12)
    np.testing.assert_allclose(best, expected[:, 4], rtol=0)


def test_a_group_becomes_its_mean_weighted_by_score():
    boxes = torch.tensor([[0.0, 0, 10, 10], [2.0, 0, 12, 10], [100.0, 100, 110, 110]])
    voted, scores = vote_boxes(boxes, torch.tensor([0.9, 0.3, 0.5]))
    torch.testing.assert_close(voted[0], torch.tensor([0.5, 0, 10.5, 10]))
    assert torch.equal(voted[1], boxes[2])
    assert scores.tolist() == pytest.approx([0.9, 0.5])


def test_the_threshold_itself_belongs_to_the_group():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 5]])  # IoU 0.5
    scores = torch.tensor([1.0, 1.0])
    assert len(vote_boxes(boxes, scores, iou_threshold=0.5)[0]) == 1
    assert len(vote_boxes(boxes, scores, iou_threshold=0.51)[0]) == 2


def test_groups_of_one_are_dropped_on_request_but_for_the_very_last():
    alone = torch.tensor([[0.0, 0, 10, 10], [50.0, 0, 60, 10], [100.0, 0, 110, 10]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert len(vote_boxes(alone, scores)[0]) == 3
    voted, best = vote_boxes(alone, scores, drop_singletons=True)
    assert torch.equal(voted, alone[2:]) and torch.equal(best, scores[2:])


def test_nothing_and_boxes_without_area_or_score_are_no_error():
    empty = vote_boxes(torch.zeros(0, 4), torch.zeros(0))
    assert empty[0].shape == (0, 4) and empty[1].shape == (0,)
    same = torch.tensor([[3.0, 3, 3, 9]]).expand(2, 4)
    voted, scores = vote_boxes(same, torch.zeros(2))
    assert voted.isfinite().all() and torch.equal(voted[0], same[0]) and not scores.any()


def test_five_thousand_boxes_come_out_best_first_and_capped():
    boxes, scores = random_boxes(0, 5000, 3000)
    voted, best = vote_boxes(boxes.float(), scores.float())
    assert len(voted) == 750 and voted.dtype == torch.float32
    assert (best[:-1] >= best[1:]).all() and best[0] == scores.max().float()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(iou_threshold=0.0), r'`iou_threshold` must lie in \(0, 1\]'),
        (dict(max_per_img=0), '`max_per_img` must be at least 1'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        vote_boxes(torch.zeros(1, 4), torch.zeros(1), **options)
