"""Detectors behind the web page."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from llv.apis import init_enhancer, plug_enhancer
from llv.registry import MODELS
from llv.utils.pictures import write_picture

pytest.importorskip('mmdet')
from mmdet.apis import inference_detector, init_detector  # noqa: E402

from llv.apis.app.choices import offered  # noqa: E402
from llv.apis.app.detection import load_detector  # noqa: E402
from llv.apis.app.workbench import Workbench  # noqa: E402

ROOT = Path(__file__).parents[2]
SIZE = 64
NAMES = ('disc', 'square', 'triangle', 'cross', 'ring')


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A small detector, not trained but with scores that differ, and a dark picture."""
    root = tmp_path_factory.mktemp('detector')
    (root / 'boxes.json').write_text(json.dumps(dict(images=[], annotations=[], categories=[])))
    cfg = Config.fromfile(ROOT / 'configs/night_scenes/ssd-small_day.py')
    cfg.test_dataloader.dataset.update(data_root='', ann_file=str(root / 'boxes.json'))
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == 'Resize':
            step.scale = (SIZE, SIZE)
    cfg.work_dir = str(root / 'work')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    with torch.no_grad():
        for conv in model.bbox_head.cls_convs:
            conv[0].weight.normal_(0, 0.1)
    meta = dict(dataset_meta=dict(classes=NAMES))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), root / 'plain.pth')
    cfg.dump(root / 'plain.py')
    blocks = np.random.default_rng(0).integers(0, 60, (6, 8, 3), dtype=np.uint8)
    write_picture(root / 'dark.png', np.kron(blocks, np.ones((16, 16, 1), np.uint8)))
    return root


@pytest.fixture(scope='module')
def detector(place):
    return load_detector(str(place / 'plain.py'), str(place / 'plain.pth'))


def rows(found):
    return [(*one.corners, one.score, one.index) for one in found]


def upstream(cfg, place, picture, score):
    """The same by mmdet alone."""
    model = init_detector(cfg, str(place / 'plain.pth'), device='cpu')
    instances = inference_detector(model, picture[..., ::-1].copy()).pred_instances
    kept = instances[instances.scores >= score]
    parts = kept.bboxes, kept.scores[:, None], kept.labels[:, None].float()
    return torch.cat(parts, dim=1).numpy()


@pytest.mark.parametrize('gain', [None, 4.0])
def test_it_finds_what_the_plain_detector_finds_and_behind_an_enhancer_what_the_plugged_one_does(
    place, detector, gain
):
    from llv.utils.pictures import read_picture

    picture = read_picture(place / 'dark.png')
    cfg = Config.fromfile(place / 'plain.py')
    if gain is None:
        found = detector.find(picture, score=0.2)
    else:
        detector.find(picture, init_enhancer('fixed_gain', gain=9.0))  # which leaves nothing behind
        found = detector.find(picture, init_enhancer('fixed_gain', gain=gain), score=0.2)
        cfg = plug_enhancer(cfg, 'fixed_gain', gain=gain)
    expected = upstream(cfg, place, picture, 0.2)
    assert len(found) > 3
    np.testing.assert_allclose(rows(found), expected, atol=1e-5)
    assert all(one.name == NAMES[one.index] for one in found)


def test_a_lit_picture_comes_with_the_detections_before_and_after(place, detector, tmp_path):
    bench = Workbench(tmp_path / 'results', detectors=[detector])
    (choice,) = offered(['enlarge'])
    lit = bench.light(place / 'dark.png', choice, detector='plain.py', score=0.2)
    (before, first), (after, second) = lit.detections
    enlarged = lit.after
    count = len(detector.find(lit.before[::2, ::2], score=0.2))
    assert first == f'before: {count} found' and second.startswith('after: ')
    assert before.shape == (96, 128, 3) and after.shape == enlarged.shape == (192, 256, 3)
    assert (after != enlarged).any()
    high = bench.light(place / 'dark.png', choice, detector='plain.py', score=1.0)
    assert [caption for _, caption in high.detections] == ['before: 0 found', 'after: 0 found']
    np.testing.assert_array_equal(high.detections[1][0], enlarged)


def test_the_page_shows_them_under_its_tab(place, detector, tmp_path):
    pytest.importorskip('gradio')
    from llv.apis.app.page import Page

    bench = Workbench(tmp_path / 'results', detectors=[detector])
    page = Page(bench, offered(['fixed_gain', 'mean_match']), [place / 'dark.png'])
    fields = [8.0, 0.5, True]
    shown = page._light(str(place / 'dark.png'), 'fixed_gain', None, 'plain.py', 0.2, *fields)
    before, after = shown[5:7]
    picture = np.asarray(shown[0][1])
    with torch.no_grad():
        lit = bench.light(place / 'dark.png', page.choices['fixed_gain'], options=dict(gain=8.0))
    np.testing.assert_array_equal(picture, lit.after)
    assert before['label'].startswith('before: ') and after['label'].startswith('after: ')
    assert before['value'].shape == after['value'].shape == picture.shape


def test_a_browser_shows_both_panels(place, detector, tmp_path, monkeypatch):
    pytest.importorskip('gradio', reason='gradio is not installed')
    pytest.importorskip('playwright', reason='playwright is not installed')
    from llv.apis.app.page import Page, listen
    from llv.apis.app.screenshot import find_browser, open_browser, open_page, served

    if find_browser() is None:
        pytest.skip('there is no Chromium or Chrome')
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path / 'uploads'))
    bench = Workbench(tmp_path / 'results', detectors=[detector])
    server = Page(bench, offered(['fixed_gain']), [place / 'dark.png']).server()
    with (
        open_browser() as browser,
        listen('127.0.0.1', 0) as listener,
        served(server, listener) as address,
    ):
        shown = open_page(browser, address)
        shown.locator('.gallery-item').first.click()
        shown.locator('#picture img').wait_for()
        score = shown.locator('#score input[type=number]')
        score.fill('0.2')
        score.blur()
        shown.locator('#press').click()
        shown.locator('#status span').first.wait_for()
        shown.get_by_role('tab', name='Detections').click()
        for title in ('before', 'after'):
            panel = shown.locator(f'#detections-{title}')
            image = panel.locator('img')
            image.wait_for()
            assert re.search(rf'{title}: [1-9]\d* found', panel.inner_text())
            shown.wait_for_function('i => i.naturalWidth === 128', arg=image.element_handle())


def test_what_belongs_to_another_network_or_has_no_place_is_refused(place, tmp_path):
    config = str(place / 'plain.py')
    state = torch.load(place / 'plain.pth', weights_only=True)['state_dict']
    for change in (lambda s: s.popitem(), lambda s: s.update({'neck.x': torch.ones(1)})):
        altered = dict(state)
        change(altered)
        torch.save(dict(state_dict=altered), tmp_path / 'other.pth')
        if 'neck.x' in altered:  # more than is needed does no harm
            assert load_detector(config, str(tmp_path / 'other.pth')).name == 'plain.py'
        else:
            with pytest.raises(ValueError, match='1 tensors are missing'):
                load_detector(config, str(tmp_path / 'other.pth'))
    plugged = plug_enhancer(Config.fromfile(config), 'mean_match')
    plugged.dump(tmp_path / 'plugged.py')
    with pytest.raises(ValueError, match='already has an enhancer'):
        load_detector(str(tmp_path / 'plugged.py'), str(place / 'plain.pth'))
    (tmp_path / 'segmentor.py').write_text("default_scope = 'mmseg'\ntest_dataloader = dict()\n")
    with pytest.raises(ValueError, match='no config of an mmdet detector'):
        load_detector(str(tmp_path / 'segmentor.py'), str(place / 'plain.pth'))
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        load_detector(config, str(tmp_path / 'gone.pth'))
