"""Published files under llv's names: the detectors give what plain functions of the files give."""

import re

import pytest
import torch

pytest.importorskip('mmdet')
from test_apis import plain_face_detectors as plain  # noqa: E402

from llv.apis.convert_detectors import (  # noqa: E402
    convert_detector,
    convert_detector_file,
    detector_of,
    recognise,
)
from llv.registry import MODELS  # noqa: E402
from llv.utils.checkpoint import load_checkpoint  # noqa: E402
from llv.utils.downloads import sha256_of  # noqa: E402

WIDTH = 1 / 32


@pytest.fixture(scope='module')
def files():
    return {kind: plain.make_file(kind, WIDTH) for kind in plain.KINDS}


def build(official, kind, **changes):
    detector = MODELS.build(dict(detector_of(official, kind), width=WIDTH, **changes)).eval()
    detector.load_state_dict(convert_detector(official, kind), strict=True)
    return detector


@pytest.mark.parametrize('kind', plain.KINDS)
@torch.no_grad()
def test_the_detector_gives_what_the_published_network_gives(files, kind):
    # odd maps on the way down, so that the roundings of pooling and resizing count
    picture = 50 * torch.randn(2, 3, 172, 140, generator=torch.Generator().manual_seed(1))
    # the weights of PyramidBox were trained with another fc6
    wanted = plain.forward(kind, files[kind], picture, 6 if kind == 'pyramidbox' else 3)
    found = build(files[kind], kind)(picture, mode='tensor')
    for ours, theirs in zip(found, wanted, strict=True):
        assert len(ours) == (12 if kind == 'dsfd-vgg' else 6)
        for a, b in zip(ours, theirs, strict=True):
            assert a.shape == b.shape
            assert (a - b).abs().max() <= 1e-5 * b.abs().max()


@torch.no_grad()
def test_fc6_is_as_wide_as_asked(files):
    picture = 50 * torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    for dilation in (1, 6):
        wanted = plain.forward('s3fd', files['s3fd'], picture, dilation)[0][3]
        found = build(files['s3fd'], 's3fd', fc6_dilation=dilation)(picture, mode='tensor')[0][3]
        assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.parametrize('depth', [50, 101, 152])
def test_the_depth_of_a_resnet_is_seen(depth):
    names = plain.shapes('dsfd-release', WIDTH, depth)
    official = {name: torch.empty(shape, device='meta') for name, shape in names.items()}
    assert detector_of(official, 'dsfd-release')['depth'] == depth
    with torch.device('meta'):
        detector = MODELS.build(dict(type='llv.DSFD', depth=depth, width=WIDTH))
    converted = convert_detector(official)
    ours = {name: tensor.shape for name, tensor in detector.state_dict().items()}
    assert {name: tensor.shape for name, tensor in converted.items()} == ours


@pytest.mark.parametrize('kind', plain.KINDS)
def test_the_layout_is_recognised_and_tensors_are_kept(files, kind):
    official = files[kind]
    assert recognise(official) == kind
    converted = convert_detector(official)
    assert {id(t) for t in converted.values()} == {id(t) for t in official.values()}
    # what data parallel wrote, and what has no counters, are the same file
    wrapped = {f'module.{name}': t for name, t in official.items() if 'num_batches' not in name}
    again = convert_detector(wrapped)
    assert again.keys() == converted.keys()
    assert all(not t for name, t in again.items() if 'num_batches' in name)
    assert detector_of(wrapped, kind) == detector_of(official, kind)


def test_other_spellings_of_the_community_are_read(files):
    official = {}
    for name, tensor in files['pyramidbox'].items():
        stem, part = name.rsplit('.', 1)
        official[f'{stem}.conv1.{part}' if '.ssh_' in name else name] = tensor
    assert convert_detector(official).keys() == convert_detector(files['pyramidbox']).keys()


@pytest.mark.parametrize('kind', plain.KINDS)
def test_what_is_missing_or_unknown_is_named(files, kind):
    official = dict(files[kind])
    name = next(name for name in reversed(official) if 'num_batches' not in name)
    tensor = official.pop(name)
    with pytest.raises(ValueError) as error:
        convert_detector(official, kind)
    assert f'weights of `{kind}`: 1 missing (`{name}`), 0 unknown;' in str(error.value)
    official |= {name: tensor, 'odd.one': tensor}
    with pytest.raises(ValueError) as error:
        convert_detector(official, kind)
    assert '0 missing, 1 unknown (`odd.one`);' in str(error.value)


@pytest.mark.parametrize('kind', plain.KINDS)
def test_heads_with_other_outputs_are_told(files, kind):
    # PyramidBox with outputs for bodies, or any head without max-out, has the same names
    names = [n for n in files[kind] if re.match(r'(loc|conf)', n) and n.endswith('weight')]
    last = {re.sub(r'\.\d\.', '.', n): n for n in names if 'conv' not in n or 'conv4' in n}
    assert len(last) == (4 if kind == 'dsfd-vgg' else 2)
    for name in last.values():
        tensor = files[kind][name]
        official = files[kind] | {name: torch.cat([tensor, tensor[:2]])}
        sentence = (
            f'`{name[:-7]}` of this file puts out {len(tensor) + 2} channels, but that of `{kind}`'
        )
        with pytest.raises(ValueError, match=sentence):
            convert_detector(official)


def test_the_file_of_ruas_goes_to_its_own_converter():
    # whose results test_convert_ruas_detector.py looks at
    official = {'module.detection_net.vgg.0.weight': torch.zeros(64, 3, 3, 3)}
    assert recognise(official) == 'ruas'
    assert detector_of(official, 'ruas') == dict(type='llv.RUASDetector')
    with pytest.raises(ValueError, match='RUAS'):
        convert_detector(official)


def test_files_of_other_networks_are_refused(files):
    with pytest.raises(ValueError, match='`head.weight` belong to no layout'):
        convert_detector({'head.weight': torch.zeros(3)})
    with pytest.raises(ValueError, match='belong to no layout'):
        convert_detector({})
    with pytest.raises(ValueError, match="`kind` must be one of `s3fd`, .*, but got 'ssd'"):
        convert_detector(files['s3fd'], 'ssd')
    with pytest.raises(ValueError, match='not the weights of `pyramidbox`'):
        convert_detector(files['s3fd'], 'pyramidbox')
    short = {n: t for n, t in files['dsfd-release'].items() if not n.startswith('layer3.0.5')}
    with pytest.raises(ValueError, match='has 4 and 5 blocks in its second and third stage'):
        convert_detector(short)


def test_the_checkpoint_holds_where_it_comes_from(files, tmp_path):
    official, out = tmp_path / 'dsfd.pth', tmp_path / 'new' / 'llv.pth'
    # beside other things, as training scripts save it
    torch.save(dict(epoch=3, weight=files['dsfd-release']), official)
    meta = convert_detector_file(official, out)
    checkpoint = load_checkpoint(out)
    assert checkpoint['meta'] == meta
    assert meta['sha256'] == sha256_of(official)
    assert meta['kind'] == 'dsfd-release'
    assert meta['detector'] == dict(type='llv.DSFD', preset='release', depth=50)
    assert meta['dataset_meta']['classes'] == ('face',)
    wanted = convert_detector(files['dsfd-release'])
    assert checkpoint['state_dict'].keys() == wanted.keys()
    assert all(torch.equal(checkpoint['state_dict'][name], t) for name, t in wanted.items())
