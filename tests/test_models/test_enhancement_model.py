"""Training an enhancer alone."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import BaseDataElement, PixelData
from toys import LearnedGain  # noqa: F401

from llv.models import EnhancementModel


def samples(pictures):
    made = [BaseDataElement(metainfo=dict(img_path=f'{i}.png')) for i in range(len(pictures))]
    for sample, picture in zip(made, pictures, strict=True):
        sample.set_field(PixelData(data=picture), 'reference', dtype=PixelData)
    return made


def test_loss_is_the_mean_over_pictures_of_mixed_sizes():
    model = EnhancementModel(dict(type='llv.LearnedGain', value=2.0))
    pictures = [torch.rand(3, 4, 4), torch.rand(3, 2, 7), torch.rand(3, 4, 4)]
    loss = model(pictures, mode='loss')['loss_level']
    expected = torch.stack([(2 * p - 0.5).square().mean() for p in pictures]).mean()
    torch.testing.assert_close(loss, expected)


def test_paired_training_finds_the_gain():
    model = EnhancementModel(dict(type='llv.LearnedGain', value=1.0))
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=1.0)))
    bright = [torch.randint(90, 255, (3, 8, 8), dtype=torch.uint8) for _ in range(4)]
    dark_bgr = [(p // 3).flip(0) for p in bright]
    for _ in range(60):
        model.train_step(dict(inputs=dark_bgr, data_samples=samples(bright)), wrapper)
    assert abs(model.enhancer.w.item() - 3) < 0.05


def test_predictions_are_in_the_pictures_own_sizes():
    model = EnhancementModel(dict(type='llv.Identity')).eval()
    pictures = [torch.randint(0, 256, (3, *s), dtype=torch.uint8) for s in [(4, 4), (2, 7), (4, 4)]]
    predicted = model.test_step(dict(inputs=pictures))
    for sample, picture in zip(predicted, pictures, strict=True):
        torch.testing.assert_close(sample.pred_image.data, picture.flip(0).float() / 255)


def test_partly_paired_batches_are_refused_by_name():
    paired = samples([torch.zeros(3, 4, 4, dtype=torch.uint8)] * 2)
    del paired[1].reference
    model = EnhancementModel(dict(type='llv.LearnedGain'))
    with pytest.raises(ValueError, match='`1.png` has no reference'):
        model([torch.rand(3, 4, 4)] * 2, paired, mode='loss')


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match='`mode`'):
        EnhancementModel(dict(type='llv.Identity'))([torch.rand(3, 2, 2)], mode='train')
