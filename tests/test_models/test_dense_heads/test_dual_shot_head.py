"""Two shots: their losses are those of two face heads, and the second predicts."""

import pytest
import torch
from mmengine.structures import InstanceData
from test_models.test_task_modules import plain_faces as plain

from llv.registry import MODELS

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample  # noqa: E402

SIZE = 64
CHANNELS = [4, 4, 6, 6, 4, 4]
MAPS = plain.map_sizes(SIZE, SIZE)


def build(**options):
    torch.manual_seed(0)
    return MODELS.build(dict(type='llv.DualShotHead', in_channels=CHANNELS, **options))


def random_feats(seed=0):
    rng = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, channels, *size, generator=rng)
        for channels, size in zip(CHANNELS, MAPS, strict=True)
    ]


def samples():
    found = []
    for boxes in ([[3.0, 4, 17, 20], [30, 20, 62, 55]], [[10.0, 10, 19, 18]]):
        meta = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0))
        sample = DetDataSample(metainfo=meta)
        labels = torch.zeros(len(boxes), dtype=torch.long)
        sample.gt_instances = InstanceData(bboxes=torch.tensor(boxes), labels=labels)
        found.append(sample)
    return found


@pytest.mark.parametrize('ratio', [1.0, 1.5])
def test_the_losses_are_those_of_two_heads_of_which_the_first_has_half_the_anchors(ratio):
    head = build(anchor_ratio=ratio, first_weight=0.5, second_weight=3.0)
    enhanced, original = random_feats(0), random_feats(1)
    losses = head.loss([*enhanced, *original], samples())
    for suffix, shot, maps, sizes, weight in [
        ('', head.second, enhanced, (16, 32, 64, 128, 256, 512), 3.0),
        ('_first', head.first, original, (8, 16, 32, 64, 128, 256), 0.5),
    ]:
        alone = MODELS.build(
            dict(type='llv.FaceHead', in_channels=CHANNELS, anchor_sizes=sizes, anchor_ratio=ratio)
        )
        alone.load_state_dict(shot.state_dict())
        expected = alone.loss(maps, samples())
        for name, value in expected.items():
            got = losses.pop(f'{name}{suffix}')
            assert sum(got).item() == pytest.approx(weight * sum(value).item())
    assert not losses


def test_keys_name_the_shots():
    keys = set(build().state_dict())
    assert len(keys) == 2 * 2 * 6 * 2
    assert {'first.reg_convs.0.weight', 'second.cls_convs.5.bias'} < keys


def test_gradients_reach_both_shots():
    head = build()
    losses = head.loss([*random_feats(0), *random_feats(1)], samples())
    sum(sum(value).sum() for value in losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all(), name
    assert head.first.reg_convs[0].weight.grad.any()
    assert head.second.reg_convs[0].weight.grad.any()


@torch.no_grad()
def test_the_second_shot_predicts_from_the_enhanced_maps():
    head = build().eval()
    enhanced = random_feats(0)
    found = head.predict([*enhanced, *random_feats(1)], samples())
    same = head.predict([*enhanced, *random_feats(2)], samples())
    alone = head.second.predict(enhanced, samples())
    _, both = head.loss_and_predict([*enhanced, *random_feats(1)], samples())
    for results in zip(found, same, alone, both, strict=True):
        assert len(results[0]) > 3
        assert all(torch.equal(results[0].bboxes, other.bboxes) for other in results[1:])
    scores, boxes = head([*enhanced, *random_feats(1)])
    assert len(scores) == len(boxes) == 12
    assert torch.equal(scores[0], head.second(enhanced)[0][0])


@pytest.mark.parametrize('count', [6, 11, 13])
def test_refuses_another_number_of_maps_also_for_prediction(count):
    head, maps = build().eval(), [*random_feats(0), *random_feats(1), *random_feats(2)][:count]
    sentence = f'takes 6 enhanced and 6 original maps, but got {count} in all'
    with pytest.raises(ValueError, match=sentence):
        head.loss(maps, samples())
    with pytest.raises(ValueError, match=sentence):
        head.predict(maps, samples())
