"""Pictures through an enhancer, against arithmetic and official outputs."""

import numpy as np
import pytest
import torch
from PIL import Image

from llv.apis import enhance, init_enhancer
from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.utils.pictures import PictureError


def picture(height=6, width=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_identity_returns_the_very_pictures(tmp_path):
    module = init_enhancer('identity')
    Image.fromarray(picture()).save(tmp_path / 'x.png')
    for given in (picture(), tmp_path / 'x.png', str(tmp_path / 'x.png')):
        lit = enhance(module, given)
        assert lit.dtype == np.uint8
        np.testing.assert_array_equal(lit, picture())


def test_many_pictures_of_many_sizes():
    pictures = [picture(6, 5, 0), picture(1, 1, 1), picture(6, 5, 2)]
    lit = enhance(init_enhancer('identity'), pictures)
    assert isinstance(lit, list)
    for one, other in zip(pictures, lit, strict=True):
        np.testing.assert_array_equal(one, other)
    batch = enhance(init_enhancer('identity'), np.stack([pictures[0], pictures[2]]))
    np.testing.assert_array_equal(batch[1], pictures[2])
    assert enhance(init_enhancer('identity'), []) == []


def test_values_are_rounded_not_cut():
    module = init_enhancer('fixed_gain', gain=1.873)
    dark = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wanted = np.clip(np.floor(dark * 1.873 + 0.5), 0, 255)
    np.testing.assert_array_equal(enhance(module, dark)[..., 0], wanted)


def test_sixteen_bits_are_scaled():
    deep = np.array([[0, 1000, 65535]], np.uint16)
    lit = enhance(init_enhancer('fixed_gain', gain=10.0), deep)
    np.testing.assert_array_equal(lit[0], [[0] * 3, [round(10000 / 257)] * 3, [255] * 3])


def test_alpha_and_grey_arrays():
    module = init_enhancer('identity')
    rgba = np.concatenate([picture(), picture()[..., :1]], axis=2)
    np.testing.assert_array_equal(enhance(module, rgba), picture())
    np.testing.assert_array_equal(enhance(module, picture()[..., 0])[..., 2], picture()[..., 0])


def test_no_graph_and_no_change_of_mode():
    class Watch(BaseEnhancer):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 3, 1)

        def enhance(self, images):
            lit = self.layer(images).sigmoid()
            self.seen = (lit.requires_grad, self.training)
            return Enhancement(lit)

    for training in (True, False):
        module = Watch().train(training)
        enhance(module, picture())
        assert module.seen == (False, training)
        assert module.training is training


def test_values_that_are_not_finite_are_an_error():
    module = init_enhancer('fixed_gain')
    module.gain.fill_(float('nan'))
    with pytest.raises(ValueError, match='not finite'):
        enhance(module, picture())


def test_bad_pictures(tmp_path):
    with pytest.raises(PictureError, match='is not there'):
        enhance(init_enhancer('identity'), [picture(), tmp_path / 'x.png'])
    for wrong in (3, torch.zeros(1, 3, 4, 4)):
        with pytest.raises(TypeError, match='`pictures` must be'):
            enhance(init_enhancer('identity'), wrong)
    with pytest.raises(TypeError, match='init_enhancer'):
        enhance('ruas', picture())


@pytest.mark.parametrize('name', ['lol_00001', 'lol_00271'])
def test_official_pictures_and_weights(reference_dir, name):
    folder = reference_dir / 'ruas'
    golden = np.load(folder / f'journal_lol__{name}.npz')
    module = init_enhancer('ruas', folder / 'lol.pt')
    lit = enhance(module, folder / f'{name}_input.png')
    y, x, size = golden['crop_yx_size']
    scene = golden['u_scene' if 'u_scene' in golden else 'u_out']
    crop = lit[y : y + size, x : x + size].transpose(2, 0, 1)
    assert np.abs(crop - scene.clip(0, 1) * 255).max() <= 0.5 + 255e-5
