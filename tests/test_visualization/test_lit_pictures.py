"""What is kept of an enhancer's work while a model runs, and how it gets back to the size of the file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.model import BaseModel, ImgDataPreprocessor
from mmengine.structures import BaseDataElement

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.visualization.lit_pictures import LitPictures, in_size_of_file


class RedGamma(BaseEnhancer):
    """Exponents of red: u = 1 − y, and a map of one channel."""

    def enhance(self, images):
        return Enhancement(1 - images, dict(gamma=images[:, :1] * 10))


class Echo(BaseModel):
    """Hands its samples back."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return data_samples


def base():
    return ImgDataPreprocessor(pad_size_divisor=8)


@pytest.fixture
def model():
    return Echo(EnhancedDataPreprocessor(RedGamma(), base(), channel_order='bgr'))


def batch(*sizes):
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.randint(0, 256, (3, *s), generator=generator).to(torch.uint8) for s in sizes]
    samples = [BaseDataElement(metainfo=dict(ori_shape=tuple(s))) for s in sizes]
    return dict(inputs=pictures, data_samples=samples)


def test_chosen_pictures_of_a_batch_of_several_sizes_are_kept_in_rgb(model):
    lit = LitPictures(model)
    lit.start()
    lit.next_batch({1, 2})
    data = batch((6, 8), (5, 5), (6, 8))
    model.test_step(data)
    assert sorted(lit.found) == [1, 2]
    for place, found in lit.found.items():
        rgb = data['inputs'][place].flip(0).permute(1, 2, 0).numpy()  # the loader gave BGR
        np.testing.assert_array_equal(found.picture, 255 - rgb)
        assert found.name == 'gamma'
        np.testing.assert_allclose(found.values, rgb[..., :1] / 25.5, atol=1e-5)


def test_data_samples_stay_as_they_are(model):
    lit = LitPictures(model)
    lit.start()
    lit.next_batch({0})
    (sample,) = model.test_step(batch((6, 8)))
    assert sample.keys() == [] and sample.metainfo_keys() == ['ori_shape']


def test_the_last_batch_is_forgotten_and_batches_without_a_chosen_picture_keep_nothing(model):
    lit = LitPictures(model)
    lit.start()
    lit.next_batch({0})
    model.test_step(batch((6, 8)))
    assert lit.found
    lit.next_batch(())
    model.test_step(batch((6, 8)))
    assert not lit.found and not lit._groups


def test_the_first_of_several_views_is_kept(model):
    lit = LitPictures(model)
    lit.start()
    lit.next_batch({0})
    first, second = batch((6, 8)), batch((6, 8))
    second['inputs'][0] = second['inputs'][0] // 2
    for view in (first, second):
        model.test_step(view)
    rgb = first['inputs'][0].flip(0).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(lit.found[0].picture, 255 - rgb)


def test_nothing_hangs_on_the_model_before_and_after(model):
    def hooks():
        parts = (model.data_preprocessor, model.data_preprocessor.enhancer)
        return sum(len(p._forward_hooks) + len(p._forward_pre_hooks) for p in parts)

    lit = LitPictures(model)
    assert hooks() == 0
    lit.start()
    assert hooks() == 3
    lit.next_batch({0})
    model.test_step(batch((6, 8)))
    lit.stop()
    assert hooks() == 0 and not lit.found
    plain = LitPictures(Echo(base()))
    plain.start()  # a model without an enhancer has nothing to look at
    plain.stop()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from([None, 'horizontal', 'vertical', 'diagonal']),
    st.integers(0, 5),
    st.booleans(),
)
def test_resizing_mirroring_and_padding_are_undone(height, width, factor, flip, padding, reduced):
    original = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    axes = dict(horizontal=[1], vertical=[0], diagonal=[0, 1])

    def view(times):
        seen = original.repeat(times, 0).repeat(times, 1)
        seen = np.flip(seen, axes[flip]) if flip else seen
        return np.pad(seen, ((0, padding * times), (0, padding * times), (0, 0)))

    lit = view(factor)
    meta = dict(ori_shape=(height, width), scale_factor=(float(factor), float(factor)))
    if flip:
        meta.update(flip=True, flip_direction=flip)
    seen = view(1) if reduced else lit  # a map may be smaller than the lit picture
    back = in_size_of_file(seen, meta, *lit.shape[:2])
    np.testing.assert_array_equal(back, original)
    one = in_size_of_file(seen[..., :1], meta, *lit.shape[:2])
    np.testing.assert_array_equal(one, original[..., :1])
