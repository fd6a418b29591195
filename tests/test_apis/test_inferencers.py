"""`EnhanceInferencer` against `enhance`, and the inferencers of mmdet and mmseg against `tools/test.py`."""

import inspect
import pickle
import runpy
import sys
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.logging import MMLogger
from plain_models import (
    GAIN,
    PALETTE,
    REPOSITORY,
    SIZE,
    write_detector,
    write_night,
    write_segmentor,
)

from llv.apis import enhance, init_enhancer, plug_enhancer
from llv.apis.inferencers import EnhanceInferencer
from llv.apis.plugged_inferencers import plug_inferencer, show_enhanced
from llv.models.enhancers import BaseEnhancer, Enhancement, FixedGain
from llv.registry import MODELS
from llv.utils.pictures import PictureError, read_picture

PSENET = 'psenet-night-scenes'  # comes with llv


def picture(height=12, width=17, seed=0, most=80):
    return np.random.default_rng(seed).integers(0, most, (height, width, 3), np.uint8)


def inferencer(*arguments, **options):
    return EnhanceInferencer(*arguments, device='cpu', show_progress=False, **options)


@MODELS.register_module()
class Doubling(BaseEnhancer):
    """Enlarges and lights twofold, tells how it was called, and has a map of one channel and one of one value."""

    scale = 2

    def __init__(self):
        super().__init__()
        self.calls = []

    def enhance(self, images):
        self.calls.append(tuple(images.shape))
        grown = images.repeat_interleave(2, -1).repeat_interleave(2, -2)
        maps = dict(gamma=torch.ones(len(images)), illumination=images.mean(1, keepdim=True))
        return Enhancement((2 * grown).clamp(0, 1), maps)


# ---------------------------------------------------------------- EnhanceInferencer


def test_files_and_bgr_arrays_give_what_enhance_gives_for_rgb(tmp_path):
    given = inferencer(PSENET)
    module = init_enhancer(PSENET)
    bgr = picture()
    cv2.imwrite(str(tmp_path / 'x.png'), bgr)
    wanted = enhance(module, tmp_path / 'x.png')
    assert (
        np.abs(wanted[..., 0].astype(int) - wanted[..., 2]).max() > 20
    )  # orders can be told apart
    for one in (bgr, tmp_path / 'x.png', str(tmp_path / 'x.png'), [bgr]):
        (lit,) = given(one)['predictions']
        assert lit.dtype == np.uint8 and lit.flags.c_contiguous
        np.testing.assert_array_equal(lit[..., ::-1], wanted)


def test_grey_deep_and_transparent_arrays_are_taken_too():
    given = inferencer('identity')
    bgr = picture()
    alpha = np.dstack([bgr, bgr[..., :1]])
    deep = bgr.astype(np.uint16) * 257
    lit = given([bgr[..., 0], alpha, deep, np.zeros((1, 1), np.uint8)], batch_size=4)['predictions']
    np.testing.assert_array_equal(lit[0], bgr[..., :1].repeat(3, 2))
    np.testing.assert_array_equal(lit[1], bgr)
    np.testing.assert_array_equal(lit[2], bgr)
    np.testing.assert_array_equal(given(np.stack([bgr, bgr // 2]))['predictions'][1], bgr // 2)


def test_pictures_of_one_size_go_through_as_one_batch_in_any_order():
    given = inferencer('llv.Doubling')
    sizes = [(4, 5), (6, 5), (4, 5), (4, 5), (6, 5)]
    pictures = [picture(*size, seed) for seed, size in enumerate(sizes)]
    lit = given(pictures, batch_size=3)['predictions']
    assert given.model.calls == [(2, 3, 4, 5), (1, 3, 6, 5), (1, 3, 4, 5), (1, 3, 6, 5)]
    for one, other in zip(pictures, lit, strict=True):
        np.testing.assert_array_equal(other, (2 * one).repeat(2, 0).repeat(2, 1))


def test_a_batch_is_its_pictures_one_by_one_to_a_level():
    given = inferencer(PSENET)
    pictures = [picture(seed=seed) for seed in range(3)]
    alone = [given(one)['predictions'][0] for one in pictures]
    for a, b in zip(alone, given(pictures, batch_size=3)['predictions'], strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1


def test_a_folder_gives_its_pictures_by_name_and_files_keep_their_names(tmp_path):
    folder, out = tmp_path / 'night', tmp_path / 'out'
    (folder / 'inner').mkdir(parents=True)
    for i, name in enumerate(('b.png', 'a.bmp', 'c.ppm', 'inner/d.png')):
        cv2.imwrite(str(folder / name), picture(seed=i))
    (folder / 'notes.txt').write_text('no picture')
    result = inferencer('fixed_gain', gain=2.0)(folder, out_dir=out)
    assert len(result['predictions']) == 3 and result['visualization'] == []
    names = ['a.bmp', 'b.png', 'c.png']  # nothing writes .ppm
    for kind, panels in (('preds', 1), ('vis', 2)):
        files = sorted((out / kind).iterdir())
        assert [file.name for file in files] == names
        for file, lit in zip(files, result['predictions'], strict=True):
            shown = read_picture(file)
            np.testing.assert_array_equal(np.split(shown, panels, 1)[-1], lit[..., ::-1])
    np.testing.assert_array_equal(result['predictions'][1], 2 * picture(seed=0))


def test_only_what_is_asked_for_is_written(tmp_path):
    given = inferencer('identity')
    given(picture(), out_dir=str(tmp_path / 'a'), no_save_vis=True)
    given([picture(), picture()], out_dir=tmp_path / 'a', no_save_pred=True)
    written = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob('*.png'))
    assert written == ['a/preds/00000000.png', 'a/vis/00000001.png', 'a/vis/00000002.png']


def test_the_visualization_is_dark_map_and_enhanced_in_rgb():
    bgr = picture(60, 90)
    (shown,) = inferencer('llv.Doubling')(bgr, return_vis=True)['visualization']
    dark, drawn, lit = np.split(shown, 3, axis=1)
    rgb = bgr[..., ::-1].repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(dark, rgb)
    np.testing.assert_array_equal(lit, 2 * rgb)
    # inside each square of four pixels the map is interpolated; its extremes bound the colours
    mean = bgr.astype(float).mean(2)
    viridis = matplotlib.colormaps['viridis'](np.arange(256))[:, :3] * 255
    levels = np.rint((mean - mean.min()) / np.ptp(mean) * 255).astype(int)
    back = cv2.resize(drawn, (90, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(back[:40].astype(float) - viridis[levels[:40]]).mean() < 25
    assert (drawn[-1, 0] == 0).all()
    (plain,) = inferencer('llv.Doubling')(bgr, return_vis=True, maps=())['visualization']
    np.testing.assert_array_equal(plain, np.concatenate([dark, lit], 1))


def test_data_samples_hold_picture_maps_and_where_it_came_from(tmp_path):
    cv2.imwrite(str(tmp_path / 'x.png'), picture())
    (sample,) = inferencer('llv.Doubling')(str(tmp_path / 'x.png'), return_datasamples=True)[
        'predictions'
    ]
    assert sample.img_path == str(tmp_path / 'x.png')
    assert (sample.ori_shape, sample.img_shape) == ((12, 17), (24, 34))
    rgb = torch.from_numpy(picture()[..., ::-1].copy()).permute(2, 0, 1)
    assert torch.equal(sample.enhanced.data[:, ::2, ::2], 2 * rgb)
    torch.testing.assert_close(sample.illumination.data, (rgb / 255.0).mean(0, keepdim=True))
    assert 'gamma' not in sample  # one value for the whole picture is no pixel data


def test_it_is_an_inferencer_and_takes_what_the_others_take():
    own = inspect.signature(EnhanceInferencer.__call__).parameters
    assert issubclass(EnhanceInferencer, BaseInferencer)
    assert {'inputs', 'return_datasamples', 'batch_size', 'show', 'return_vis', 'out_dir'} <= {*own}
    with pytest.raises(TypeError, match='colour'):
        inferencer('identity')(picture(), colour='rgb')
    assert EnhanceInferencer().model.weights == PSENET  # also with the bar and any device
    assert len(EnhanceInferencer('identity')([picture()] * 2)['predictions']) == 2


def test_a_window_is_opened_and_closed():
    matplotlib.use('Agg')
    inferencer('identity')(picture(), show=True, wait_time=0.01)


def test_wrong_input_is_told_before_anything_is_written(tmp_path):
    given = inferencer('identity')
    for folder in ('a', 'preds'):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / 'x.png'), picture())
    both = [tmp_path / 'a' / 'x.png', tmp_path / 'preds' / 'x.png']
    with pytest.raises(ValueError, match='would both be written to'):
        given(both, out_dir=tmp_path / 'out')
    with pytest.raises(ValueError, match='is one of the inputs and would be replaced'):
        given(both[1], out_dir=tmp_path)
    assert not (tmp_path / 'out').exists()
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='holds no picture'):
        given(str(tmp_path / 'empty'))
    with pytest.raises(PictureError, match='is not there'):
        given(tmp_path / 'gone.png')
    with pytest.raises(TypeError, match='`inputs` must be files or arrays, but got Tensor'):
        given([torch.zeros(3, 2, 2)])
    broken = inferencer('fixed_gain')
    broken.model.gain.fill_(float('nan'))
    with pytest.raises(ValueError, match='not finite'):
        broken(picture())


# ---------------------------------------------------------------- in front of mmdet's and mmseg's


def run_test(*arguments):
    before = sys.argv
    sys.argv = ['test.py', *map(str, arguments)]
    MMLogger._instance_dict.clear()
    try:
        runpy.run_path(str(REPOSITORY / 'tools' / 'test.py'), run_name='__main__')
    finally:
        sys.argv = before


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """A plain and a plugged config, a plain checkpoint, and what `tools/test.py` finds with the plugged one."""
    pytest.importorskip('mmdet')
    root = tmp_path_factory.mktemp('detector')
    write_night(root)
    torch.save(FixedGain(GAIN).state_dict(), root / 'gain.pth')
    plugged = plug_enhancer(write_detector(root), 'fixed_gain', weights=str(root / 'gain.pth'))
    plugged.dump(root / 'plugged.py')
    run_test(
        root / 'plugged.py',
        root / 'detector.pth',
        '--work-dir',
        root / 'w',
        '--out',
        root / 'o.pkl',
    )
    return root


def found(prediction):
    instances = prediction['pred_instances'] if 'pred_instances' in prediction else prediction
    return np.array(instances['bboxes']), np.array(instances['scores'])


def by_tool(root):
    with open(root / 'o.pkl', 'rb') as file:
        return [found(r) for r in sorted(pickle.load(file), key=lambda r: r['img_id'])]


def same(predictions, wanted):
    pairs = zip([found(p) for p in predictions], wanted, strict=True)
    return all(
        len(a[1]) == len(b[1]) and np.allclose(a[1], b[1], atol=1e-5) and np.allclose(a[0], b[0], atol=1e-2)
        for a, b in pairs
    )  # fmt: skip


def test_a_plugged_detector_config_finds_in_the_inferencer_what_tools_test_finds(detector):
    from mmdet.apis import DetInferencer

    wanted = by_tool(detector)
    assert len(wanted[0][1]) > 5
    plain, plugged = str(detector / 'detector.py'), str(detector / 'plugged.py')
    weights, files = str(detector / 'detector.pth'), sorted_files(detector / 'night')
    config = plug_enhancer(Config.fromfile(plain), 'fixed_gain', gain=float(GAIN))
    of_file = DetInferencer(plugged, weights, device='cpu')
    for one in (of_file, DetInferencer(config, weights, device='cpu')):
        assert same(one(files)['predictions'], wanted)
    arrays = [cv2.imread(file) for file in files]
    assert same(of_file(arrays, batch_size=2)['predictions'], wanted)

    given = DetInferencer(plain, weights, device='cpu')
    assert not same(given(files)['predictions'], wanted)
    # lit pictures from the other inferencer are what the enhancer hands on inside the model
    lit = inferencer('fixed_gain', gain=float(GAIN))(files)['predictions']
    assert same(given(lit)['predictions'], wanted)
    # and an inferencer that was built without an enhancer gets one afterwards
    assert plug_inferencer(given, 'fixed_gain', gain=float(GAIN)) is given
    assert same(given(files)['predictions'], wanted)
    with pytest.raises(ValueError, match='already has an enhancer'):
        plug_inferencer(given, PSENET)


def test_predictions_are_drawn_on_the_lit_picture_on_request(detector, tmp_path):
    from mmdet.apis import DetInferencer

    file = str(detector / 'night' / '0.png')
    dark = cv2.imread(file)[..., ::-1]
    given = DetInferencer(
        str(detector / 'detector.py'), str(detector / 'detector.pth'), device='cpu'
    )
    with pytest.raises(ValueError, match='has no enhancer in front of it'):
        show_enhanced(given)
    plug_inferencer(given, 'fixed_gain', gain=float(GAIN))

    def drawn(one):
        return given(one, return_vis=True, pred_score_thr=1.1)['visualization'][0]

    np.testing.assert_array_equal(drawn(file), dark)
    assert show_enhanced(given) is given
    np.testing.assert_array_equal(drawn(file), GAIN * dark)
    bgr = np.ascontiguousarray(dark[..., ::-1])
    np.testing.assert_array_equal(drawn(bgr), GAIN * dark)
    given(file, out_dir=str(tmp_path), pred_score_thr=1.1)
    written = cv2.imread(str(tmp_path / 'vis' / '0.png'))[..., ::-1]  # under its own name
    np.testing.assert_array_equal(written, GAIN * dark)


def test_what_an_inferencer_cannot_have_in_front_is_told(detector):
    from mmdet.apis import DetInferencer
    from mmdet.models.dense_heads import SSDHead

    given = DetInferencer(
        str(detector / 'detector.py'), str(detector / 'detector.pth'), device='cpu'
    )
    with pytest.raises(ValueError, match='`RUAS` would be random; give its `weights`'):
        plug_inferencer(given, 'ruas')
    given.model.bbox_head.__class__ = SSDHead
    with pytest.raises(ValueError, match="mmdet's `SSDHead`, which fails at every prediction"):
        plug_inferencer(given, PSENET)


def test_a_plugged_segmentor_gives_in_the_inferencer_the_maps_of_tools_test(tmp_path):
    pytest.importorskip('mmseg')
    pytest.importorskip('mmcv.ops')
    from mmseg.apis import MMSegInferencer

    write_night(tmp_path)
    plug_enhancer(write_segmentor(tmp_path), PSENET).dump(tmp_path / 'plugged.py')
    weights, files = str(tmp_path / 'segmentor.pth'), sorted_files(tmp_path / 'night')
    run_test(
        tmp_path / 'plugged.py', weights, '--work-dir', tmp_path / 'w', '--out', tmp_path / 'maps'
    )
    wanted = [cv2.imread(str(tmp_path / 'maps' / f'{i}.png'), cv2.IMREAD_UNCHANGED) for i in (0, 1)]

    by_file = MMSegInferencer(str(tmp_path / 'plugged.py'), weights, device='cpu')
    given = MMSegInferencer(str(tmp_path / 'segmentor.py'), weights, device='cpu')
    dark = given(files)['predictions']
    assert (np.array(dark) != np.array(wanted)).mean() > 0.05
    for one in (by_file, plug_inferencer(given, PSENET)):
        np.testing.assert_array_equal(one(files)['predictions'], wanted)
    show_enhanced(given)
    file = files[0]
    result = given(file, return_vis=True, with_labels=False, opacity=0.5)
    colours = np.array(PALETTE)[result['predictions']]
    # what the pipeline makes of the file, lit, and back in its size
    resized = cv2.resize(cv2.imread(file), (96, 96), interpolation=cv2.INTER_LINEAR)
    (lit,) = inferencer(PSENET)(resized)['predictions']
    lit = cv2.resize(lit, (SIZE, SIZE), interpolation=cv2.INTER_AREA)[..., ::-1]
    off = result['visualization'] - (0.5 * colours + 0.5 * lit)
    assert np.abs(off).max() <= 2


def sorted_files(folder):
    return [str(file) for file in sorted(Path(folder).iterdir())]
