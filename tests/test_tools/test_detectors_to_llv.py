"""tools/model_converters/detectors_to_llv.py."""

import sys

import pytest
import torch
from mmengine.runner import load_checkpoint

pytest.importorskip('mmdet')
from test_apis import plain_face_detectors as plain  # noqa: E402

from llv.registry import MODELS  # noqa: E402
from llv.utils.downloads import sha256_of  # noqa: E402

TOOL = 'model_converters/detectors_to_llv'
WIDTH = 1 / 32


class Harmful:
    """An object that a careless reader would run."""

    def __reduce__(self):
        return print, ('opened',)


@torch.no_grad()
def test_a_converted_file_fills_the_detector_behind_an_enhancer(call_tool, tmp_path):
    official, out = tmp_path / 's3fd.pth', tmp_path / 'llv.pth'
    tensors = plain.make_file('s3fd', WIDTH)
    torch.save(tensors, official)
    assert call_tool(TOOL, official, '--out', out)[0] == 0
    base = dict(type='mmdet.DetDataPreprocessor', mean=[104, 117, 123], std=[1, 1, 1])
    wrapper = dict(
        type='llv.EnhancedDataPreprocessor', enhancer=dict(type='llv.Identity'), base=base
    )
    detector = MODELS.build(dict(type='llv.S3FD', width=WIDTH, data_preprocessor=wrapper)).eval()
    load_checkpoint(detector, str(out), strict=True)  # the call behind `load_from`
    picture = 50 * torch.randn(1, 3, 96, 96)
    wanted = plain.forward('s3fd', tensors, picture)[0][0]
    found = detector(picture, mode='tensor')[0][0]
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.parametrize(
    'content, sentence',
    [
        (None, 'is not there'),
        ({'weight': torch.zeros(3)}, 'belong to no layout'),
        ({'epoch': 3}, 'holds no named tensors'),
        ({'vgg.0.weight': Harmful()}, 'is refused'),
    ],
)
def test_mistakes_about_files_are_told_in_a_sentence(call_tool, tmp_path, content, sentence):
    official, out = tmp_path / 'official.pth', tmp_path / 'llv.pth'
    if content is not None:
        torch.save(content, official)
    status, err = call_tool(TOOL, official, '--out', out)
    assert status == 2 and sentence in err and len(err.strip().splitlines()) == 1
    assert not out.exists()


def test_the_official_file_is_not_overwritten(call_tool, tmp_path):
    official = tmp_path / 'official.pth'
    torch.save(plain.make_file('s3fd', WIDTH), official)
    before = sha256_of(official)
    status, err = call_tool(TOOL, official, '--out', official)
    assert status == 2 and 'is the official file' in err
    assert sha256_of(official) == before


def test_the_kind_is_one_of_those_that_are_known(call_tool, tmp_path):
    assert call_tool(TOOL, tmp_path / 'x.pth', '--kind', 'yolo', '--out', tmp_path / 'y')[0] == 2
    assert sys.argv[0] == f'{TOOL}.py'
