"""Every usual way into a detector runs the plugged enhancer, with its weights, from a plain detector checkpoint.

The reference is the plain detector on pictures that were brightened beforehand by plain arithmetic: they hold
multiples of the gain, so no rounding separates the two.
"""

import json
import pickle
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from llv.apis import plug_enhancer
from llv.models.enhancers import FixedGain
from llv.registry import MODELS

pytest.importorskip('mmdet')
from mmdet.apis import DetInferencer, inference_detector, init_detector  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
GAIN, SIZE = 4, 64


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Three dark pictures, the same brightened by numpy, a plain config and checkpoint, a weight file of FixedGain."""
    root = tmp_path_factory.mktemp('entry')
    rng = np.random.default_rng(0)
    images = []
    for folder in ('dark', 'bright'):
        (root / folder).mkdir()
    for i in range(3):
        blocks = rng.integers(0, 255 // GAIN, (8, 8, 3), dtype=np.uint8)
        picture = np.kron(blocks, np.ones((8, 8, 1), dtype=np.uint8))
        cv2.imwrite(str(root / 'dark' / f'{i}.png'), picture)
        cv2.imwrite(str(root / 'bright' / f'{i}.png'), picture * GAIN)
        images.append(dict(id=i, file_name=f'{i}.png', height=SIZE, width=SIZE))
    names = ('disc', 'square', 'triangle', 'cross', 'ring')
    annotations = [
        dict(id=i, image_id=i, category_id=1, bbox=[8, 8, 30, 30], area=900, iscrowd=0)
        for i in range(3)
    ]
    categories = [dict(id=k + 1, name=name) for k, name in enumerate(names)]
    coco = dict(images=images, annotations=annotations, categories=categories)
    (root / 'boxes.json').write_text(json.dumps(coco))

    cfg = Config.fromfile(REPOSITORY / 'configs/night_scenes/ssd-small_day.py')
    cfg.test_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(
        data_root='', ann_file=str(root / 'boxes.json'), data_prefix=dict(img=str(root / 'dark'))
    )
    cfg.test_evaluator.ann_file = str(root / 'boxes.json')
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == 'Resize':
            step.scale = (SIZE, SIZE)
    cfg.work_dir = str(root / 'work')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        plain = MODELS.build(cfg.model)
    plain.init_weights()
    with torch.no_grad():  # scores that differ between places and pictures
        for conv in plain.bbox_head.cls_convs:
            conv[0].weight.normal_(0, 0.1)
    meta = dict(dataset_meta=dict(classes=names))
    torch.save(dict(state_dict=plain.state_dict(), meta=meta), root / 'plain.pth')
    torch.save(FixedGain(GAIN).state_dict(), root / 'gain.pth')
    cfg.dump(root / 'plain.py')
    plugged = plug_enhancer(cfg, 'fixed_gain', weights=str(root / 'gain.pth'))
    plugged.dump(root / 'plugged.py')
    return root


def boxes_and_scores(prediction):
    instances = getattr(prediction, 'pred_instances', None)
    instances = prediction['pred_instances'] if instances is None else instances
    order = torch.as_tensor(np.asarray(instances['scores'])).argsort(descending=True)[:20]
    return (
        torch.as_tensor(np.asarray(instances['bboxes']))[order],
        torch.as_tensor(np.asarray(instances['scores']))[order],
    )


def expected(place, folder):
    model = init_detector(str(place / 'plain.py'), str(place / 'plain.pth'), device='cpu')
    return [
        boxes_and_scores(inference_detector(model, str(place / folder / f'{i}.png')))
        for i in range(3)
    ]


def assert_enhanced(place, predictions):
    lit, dark = expected(place, 'bright'), expected(place, 'dark')
    assert not all(torch.allclose(a[1], b[1], atol=1e-3) for a, b in zip(lit, dark, strict=True))
    for (boxes, scores), got in zip(lit, predictions, strict=True):
        torch.testing.assert_close(got[1], scores, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(got[0], boxes, rtol=1e-3, atol=0.1)


def run_tool(name, *arguments):
    before = sys.argv
    sys.argv = [name, *map(str, arguments)]
    try:
        runpy.run_path(str(REPOSITORY / 'tools' / name), run_name='__main__')
    finally:
        sys.argv = before


def test_init_detector(place):
    model = init_detector(str(place / 'plugged.py'), str(place / 'plain.pth'), device='cpu')
    results = [inference_detector(model, str(place / 'dark' / f'{i}.png')) for i in range(3)]
    assert_enhanced(place, [boxes_and_scores(result) for result in results])


def test_det_inferencer(place):
    inferencer = DetInferencer(str(place / 'plugged.py'), str(place / 'plain.pth'), device='cpu')
    files = [str(place / 'dark' / f'{i}.png') for i in range(3)]
    results = inferencer(files, return_datasamples=True, no_save_vis=True)['predictions']
    assert_enhanced(place, [boxes_and_scores(result) for result in results])


@pytest.mark.parametrize('plugging', ['config', 'command line'])
def test_tools_test(place, tmp_path, plugging):
    plug = ['--enhancer', 'fixed_gain', '--enhancer-weights', place / 'gain.pth']
    config = place / ('plugged.py' if plugging == 'config' else 'plain.py')
    run_tool(
        'test.py',
        config,
        place / 'plain.pth',
        '--work-dir',
        tmp_path,
        '--out',
        tmp_path / 'out.pkl',
        *(plug if plugging == 'command line' else []),
    )
    with open(tmp_path / 'out.pkl', 'rb') as file:
        results = pickle.load(file)
    results.sort(key=lambda result: result['img_id'])
    assert_enhanced(place, [boxes_and_scores(result) for result in results])


def test_tta_runs_the_enhancer_in_every_view(place, tmp_path):
    outputs = {}
    for name, folder in (('plugged', 'dark'), ('plain', 'bright'), ('plain', 'dark')):
        out = tmp_path / f'{name}_{folder}.pkl'
        options = f'test_dataloader.dataset.data_prefix.img={place / folder}'
        arguments = [place / f'{name}.py', place / 'plain.pth', '--tta', '--out', out]
        run_tool('test.py', *arguments, '--work-dir', tmp_path, '--cfg-options', options)
        with open(out, 'rb') as file:
            results = sorted(pickle.load(file), key=lambda result: result['img_id'])
        outputs[name, folder] = torch.cat([boxes_and_scores(result)[1] for result in results])
    torch.testing.assert_close(
        outputs['plugged', 'dark'], outputs['plain', 'bright'], rtol=1e-3, atol=1e-4
    )
    assert not torch.allclose(outputs['plain', 'dark'], outputs['plain', 'bright'], atol=1e-3)
