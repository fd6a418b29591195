"""What loaders hand over, and what is packed."""

import cv2
import numpy as np
import torch
from PIL import Image

from llv.models.data_preprocessors.picture_data_preprocessor import PictureDataPreprocessor
from llv.registry import TRANSFORMS


def apply(results, *transforms):
    for transform in transforms:
        results = TRANSFORMS.build(transform)(results)
    return results


def test_sixteen_bits_reach_the_enhancer_unrounded(tmp_path):
    levels = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / '1.tif'), levels[..., ::-1])
    load = dict(type='llv.LoadPicture', to_float32=True)
    pack = dict(type='llv.PackEnhancementInputs')
    packed = apply(dict(img_path=str(tmp_path / '1.tif')), load, pack)
    data = PictureDataPreprocessor()(dict(inputs=[packed['inputs']]))['inputs'][0]
    expected = torch.from_numpy(levels.astype(np.float64)).permute(2, 0, 1) / 65535
    assert data.dtype == torch.float32 and (data - expected).abs().max() < 1e-6
    rounded = apply(dict(img_path=str(tmp_path / '1.tif')), dict(type='llv.LoadPicture'))['img']
    assert rounded.dtype == np.uint8
    assert (rounded[..., ::-1] == np.rint(levels / 257)).all()


def test_eight_bits_are_the_same_as_float(tmp_path):
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).save(tmp_path / '1.png')
    record = dict(img_path=str(tmp_path / '1.png'))
    whole = apply(dict(record), dict(type='llv.LoadPicture'))['img']
    real = apply(dict(record), dict(type='llv.LoadPicture', to_float32=True))['img']
    assert real.dtype == np.float32 and (real == whole).all()


def test_the_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    Image.fromarray(pixels).save(tmp_path / '1.png', exif=exif)
    shown = apply(dict(img_path=str(tmp_path / '1.png')), dict(type='llv.LoadPicture'))['img']
    assert (shown[..., ::-1] == np.rot90(pixels, -1)).all()


def test_groups_of_a_picture_are_packed_with_it():
    picture = np.zeros((2, 3, 3), np.uint8)
    results = dict(img=picture, exposure='over', dataset='msec', img_path='1.png')
    sample = apply(results, dict(type='llv.PackEnhancementInputs'))['data_samples']
    assert sample.exposure == 'over' and sample.dataset == 'msec'
