"""The tool on detectors and segmentors that find what is bright, so that what an enhancer must do is known."""

import json
import shutil
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import nn

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from colour_segmentor import colour_segmentor, labelled_picture  # noqa: E402

from llv.apis import plug_enhancer  # noqa: E402
from llv.registry import MODELS  # noqa: E402

TOOL = 'analysis_tools/does_it_help'
NAMES = ('square', 'bar', 'never')
PICTURES = 24
SIZE = 48


@MODELS.register_module()
class BrightThings(BaseModel):
    """Finds squares and bars of level 100 and more; brighter is surer."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.level = nn.Parameter(torch.tensor(100.0))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for picture, sample in zip(inputs, data_samples, strict=True):
            grey = picture.mean(0).cpu().numpy()
            bright = (grey >= float(self.level)).astype(np.uint8)
            _, places, stats, _ = cv2.connectedComponentsWithStats(bright)
            rows = []
            for number, (x, y, w, h, _) in enumerate(stats[1:], 1):
                score = grey[places == number].mean() / 300
                rows.append((x, y, x + w, y + h, score, int(max(w, h) > 1.5 * min(w, h))))
            table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
            fx, fy = sample.scale_factor
            sample.pred_instances = InstanceData(
                bboxes=table[:, :4] / torch.tensor([fx, fy, fx, fy]),
                scores=table[:, 4],
                labels=table[:, 5].long(),
            )
        return data_samples


@pytest.fixture(scope='module')
def things(tmp_path_factory):
    """Pictures of one square and one bar, most of them too dark to be found; their labels in three formats."""
    root = tmp_path_factory.mktemp('things')
    (root / 'night').mkdir()
    (root / 'xml').mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(PICTURES):
        level = 20 + 4 * i  # of 24 pictures three are bright enough
        picture = rng.integers(0, 8, (SIZE, SIZE, 3)).astype(np.uint8)
        tree = ET.Element('annotation')
        for label, (w, h, x) in enumerate(((12, 12, 4), (8, 20, 30))):
            y = int(rng.integers(2, 24))
            picture[y : y + h, x : x + w] = level + 8 * label
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i,
                    category_id=label + 1,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                )
            )
            item = ET.SubElement(tree, 'object')
            ET.SubElement(item, 'name').text = NAMES[label]
            box = ET.SubElement(item, 'bndbox')
            corners = dict(xmin=x, ymin=y, xmax=x + w, ymax=y + h)
            for key, value in corners.items():
                ET.SubElement(box, key).text = str(value + 1)
        cv2.imwrite(str(root / 'night' / f'{i:02d}.png'), picture)
        ET.ElementTree(tree).write(root / 'xml' / f'{i:02d}.xml')
        images.append(dict(id=i, file_name=f'{i:02d}.png', height=SIZE, width=SIZE))
    categories = [dict(id=k + 1, name=name) for k, name in enumerate(NAMES)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / 'labels.json').write_text(json.dumps(content))
    torch.save(dict(state_dict=BrightThings().state_dict()), root / 'model.pth')
    write_config(root / 'model.py', root)
    return root


def write_config(path, root, **more):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(2 * SIZE, 2 * SIZE)),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(
            type='PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        ),
    ]
    dataset = dict(
        type='CocoDataset',
        metainfo=dict(classes=NAMES),
        ann_file=str(root / 'labels.json'),
        data_prefix=dict(img=str(root / 'night')),
        test_mode=True,
        pipeline=pipeline,
    )
    cfg = dict(
        default_scope='mmdet',
        model=dict(
            type='llv.BrightThings', data_preprocessor=dict(type='mmdet.DetDataPreprocessor')
        ),
        test_dataloader=dict(
            batch_size=5,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset,
        ),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='CocoMetric', ann_file=str(root / 'labels.json')),
        load_from=str(root / 'model.pth'),
        **more,
    )
    Config(cfg).dump(path)


def ask(call_tool, root, work_dir, *arguments):
    status, error = call_tool(
        TOOL, root / 'model.py', root / 'model.pth', '--work-dir', work_dir, *arguments
    )
    return status, error


def of_mmdet(root, work_dir, enhancer=None):
    """mAP and AP50 as mmdet's own metric prints them, to three digits."""
    cfg = Config.fromfile(root / 'model.py')
    if enhancer is not None:
        cfg = plug_enhancer(cfg, **enhancer)
    cfg.work_dir, cfg.experiment_name = str(work_dir), f'mmdet_{enhancer}'
    metrics = Runner.from_cfg(cfg).test()
    return metrics['coco/bbox_mAP'], metrics['coco/bbox_mAP_50']


@pytest.fixture(scope='module')
def answer(things, tmp_path_factory):
    """The tool's figures, its page and its folder."""
    import importlib.util
    import sys
    from pathlib import Path

    work_dir = tmp_path_factory.mktemp('answer')
    page = work_dir / 'page.md'
    page.write_text('Before.\n<!-- begin does-it-help -->\n<!-- end does-it-help -->\nBehind.\n')
    tool = Path(__file__).resolve().parents[2] / 'tools' / f'{TOOL}.py'
    spec = importlib.util.spec_from_file_location('does_it_help_tool', tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = [things / 'model.py', things / 'model.pth', '--work-dir', work_dir / 'work']
    arguments += ['--enhancers', 'fixed_gain@gain=6', 'fixed_gain@gain=0.1', 'identity']
    arguments += ['--write', page, '--json', work_dir / 'answer.json', '--bootstrap', '300']
    before = sys.argv
    sys.argv = ['does_it_help.py', *map(str, arguments)]
    try:
        module.main()
    finally:
        sys.argv = before
    return json.loads((work_dir / 'answer.json').read_text()), page.read_text(), work_dir


def test_scores_are_those_of_the_test_tool_without_and_behind_an_enhancer(things, answer, tmp_path):
    rows = {row['enhancer']: row for row in answer[0]['rows']}
    gain = dict(enhancer='fixed_gain', gain=6)
    for name, enhancer in (('none', None), ('fixed_gain@gain=6', gain)):
        expected = of_mmdet(things, tmp_path / name, enhancer)
        scores = rows[name]['scores']
        assert [scores['mAP']['value'], scores['AP50']['value']] == pytest.approx(
            [100 * value for value in expected], abs=0.0501
        )
    assert 2 < rows['none']['scores']['mAP']['value'] < 40
    assert rows['fixed_gain@gain=6']['scores']['mAP']['value'] > 70


def test_light_helps_darkness_hurts_and_what_changes_nothing_is_exactly_0(answer):
    rows = {row['enhancer']: row for row in answer[0]['rows']}
    assert rows['fixed_gain@gain=6']['verdict'] == 'helps'
    assert rows['fixed_gain@gain=6']['differences']['mAP']['low'] > 40
    assert rows['fixed_gain@gain=0.1']['verdict'] in ('hurts', 'not distinguishable')
    same = rows['identity']
    for figures in (same['differences'], *(part['differences'] for part in same['by_darkness'])):
        assert all(f['value'] == f['low'] == f['high'] == 0 for f in figures.values())
    assert same['verdict'] == 'not distinguishable' and rows['none']['verdict'] is None
    # only bright pictures were found without light
    assert rows['none']['by_darkness'][0]['scores']['mAP']['value'] == 0
    assert rows['none']['by_darkness'][-1]['scores']['mAP']['value'] > 20


def test_groups_are_cut_by_the_luminance_of_the_dark_input(things, answer):
    groups = answer[0]['groups']
    weights = np.array([0.114, 0.587, 0.299])
    pictures = sorted((things / 'night').iterdir())
    means = sorted(float(cv2.imread(str(p)).mean((0, 1)) @ weights) for p in pictures)
    assert [group['pictures'] for group in groups] == [6] * 4
    for number, group in enumerate(groups):
        own = means[6 * number : 6 * number + 6]
        # the pipeline enlarges the pictures, which blurs by a fraction of a level
        assert [group['low'], group['high']] == pytest.approx([own[0], own[-1]], abs=0.5)
    assert all(row['milliseconds'] > 0 for row in answer[0]['rows'])


def test_the_page_keeps_what_stands_around_and_says_the_verdicts(answer):
    page = answer[1]
    assert page.startswith('Before.\n') and page.rstrip().endswith('Behind.')
    assert '* `fixed_gain@gain=6` helps: mAP +' in page
    assert '`identity` is not distinguishable from no enhancer on 24 pictures' in page
    assert '24 pictures with 48 labelled objects' in page and 'Holm' in page
    assert 'python tools/analysis_tools/does_it_help.py ' in page


def test_a_second_run_predicts_only_what_is_new(things, answer, call_tool):
    work = answer[2] / 'work'
    before = {file: file.stat().st_mtime_ns for file in work.glob('*/predictions.npz')}
    assert len(before) == 4
    again = answer[2] / 'again.json'
    status, error = ask(
        call_tool, things, work, '--enhancers', 'identity', 'gamma', '--json', again
    )
    assert status == 0, error
    assert 'none, identity' in error
    after = {file: file.stat().st_mtime_ns for file in work.glob('*/predictions.npz')}
    assert len(after) == 5 and all(after[file] == time for file, time in before.items())
    one, two = (json.loads(f.read_text()) for f in (answer[2] / 'answer.json', again))
    assert one['rows'][0]['scores']['mAP']['value'] == two['rows'][0]['scores']['mAP']['value']
    # another checkpoint is another model
    other = answer[2] / 'other.pth'
    torch.save(dict(state_dict=dict(level=torch.tensor(10.0))), other)
    call = (things / 'model.py', other, '--work-dir', work, '--enhancers', 'identity')
    assert call_tool(TOOL, *call)[0] == 0
    assert len(list(work.glob('*/predictions.npz'))) == 7


def test_own_pictures_with_json_or_xml_give_the_scores_of_the_same_set(things, answer, call_tool):
    (answer[2] / 'subset').mkdir()
    # categories of the labels in another order, and one that the labels lack
    content = json.loads((things / 'labels.json').read_text())
    content['categories'] = [dict(id=2, name='bar'), dict(id=1, name='square')]
    reordered = answer[2] / 'reordered.json'
    reordered.write_text(json.dumps(content))
    expected = answer[0]['rows'][1]
    for number, labels in enumerate((reordered, things / 'xml')):
        file = answer[2] / f'own_{number}.json'
        status, error = ask(
            call_tool, things, answer[2] / f'own_{number}', '--enhancers', 'fixed_gain@gain=6',
            '--images', things / 'night', '--annotations', labels, '--json', file,
            '--bootstrap', '300',
        )  # fmt: skip
        assert status == 0, error
        row = json.loads(file.read_text())['rows'][1]
        assert row['scores'] == expected['scores']
        assert row['differences'] == expected['differences']
        assert 'have no labels' not in error


def test_pictures_without_labels_are_left_out_with_a_word(things, tmp_path, call_tool):
    content = json.loads((things / 'labels.json').read_text())
    content['images'] = content['images'][:9]
    content['annotations'] = content['annotations'][:18]
    labels = tmp_path / 'nine.json'
    labels.write_text(json.dumps(content))
    own = ('--images', things / 'night', '--annotations', labels, '--json', tmp_path / 'a.json')
    status, error = ask(call_tool, things, tmp_path / 'work', '--enhancers', 'gamma', *own)
    assert status == 0, error
    assert f'15 pictures of {things / "night"} have no labels' in error
    assert json.loads((tmp_path / 'a.json').read_text())['pictures'] == 9


def wrong_arguments(things, tmp_path):
    night, labels = things / 'night', things / 'labels.json'
    few = tmp_path / 'few'
    few.mkdir()
    shutil.copy(night / '00.png', few)
    content = json.loads(labels.read_text())
    content['categories'][0]['name'] = 'tram'
    strange = tmp_path / 'strange.json'
    strange.write_text(json.dumps(content))
    empty = tmp_path / 'empty'
    empty.mkdir()
    wrong = tmp_path / 'wrong.pth'
    torch.save(dict(state_dict=dict(level=torch.zeros(3))), wrong)
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict=dict(a=torch.zeros(3))), other)
    good = ('--enhancers', 'gamma')
    own = (*good, '--images', night, '--annotations')
    model = things / 'model.pth'
    return [
        (model, ('--enhancers', 'psenett'), 'did you mean'),
        (model, ('--enhancers', 'ruas'), 'would be random'),
        (model, (*good, '--images', night), '`--images` needs `--annotations`'),
        (model, (*own, tmp_path / 'gone.json'), 'gone.json'),
        (model, (*own, empty), 'holds no label file'),
        (model, (*good, '--images', few, '--annotations', labels), '23 pictures that'),
        (model, (*good, '--images', few, '--annotations', things / 'xml'), '23 pictures that'),
        (model, (*own, strange), '`tram`, which the model does not know'),
        (model, (*good, '--against', 'ruas'), '`--against ruas` is none of'),
        (model, (*good, '--bootstrap', '30'), '`--bootstrap 30` is too few'),
        (model, (*good, '--write', tmp_path / 'no.md'), 'no.md'),
        (model, (*good, '--device', 'cuda:77'), '`cuda:77` is not available'),
        (tmp_path / 'gone.pth', good, 'gone.pth'),
        (wrong, good, 'another model or other classes'),
        (other, good, 'holds another model'),
    ]


def test_wrong_arguments_are_one_sentence_before_any_inference(things, tmp_path, call_tool):
    for number, (model, arguments, message) in enumerate(wrong_arguments(things, tmp_path)):
        work = tmp_path / f'work_{number}'
        call = (things / 'model.py', model, '--work-dir', work, *arguments)
        status, error = call_tool(TOOL, *call)
        last = error.strip().splitlines()[-1]
        assert status == 2 and message in last, (arguments, error)
        assert 'Traceback' not in error
        assert not list(work.glob('*/predictions.npz'))


def test_a_config_with_an_enhancer_is_refused(things, tmp_path, call_tool):
    plugged = plug_enhancer(Config.fromfile(things / 'model.py'), 'gamma')
    plugged.dump(tmp_path / 'plugged.py')
    call = (tmp_path / 'plugged.py', things / 'model.pth', '--enhancers', 'mean_match')
    status, error = call_tool(TOOL, *call, '--work-dir', tmp_path / 'work')
    assert status == 2 and 'already has an enhancer' in error


# ---------------------------------------------------------------- segmentors


@pytest.fixture(scope='module')
def colours(tmp_path_factory):
    """Pictures in the dark whose colours, in the light, are their labels."""
    root = tmp_path_factory.mktemp('colours')
    rng = np.random.default_rng(0)
    for folder in ('pictures', 'labels'):
        (root / folder).mkdir()
    for i in range(12):
        picture, label = labelled_picture(rng, 24, 30, block=3)
        cv2.imwrite(str(root / 'pictures' / f'{i:02d}.png'), picture // 4)
        cv2.imwrite(str(root / 'labels' / f'{i:02d}.png'), label)
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='pictures', seg_map_path='labels'),
        img_suffix='.png',
        metainfo=dict(classes=tuple('vwxyz')),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    )
    cfg = dict(
        default_scope='mmseg',
        model=colour_segmentor(0),
        test_dataloader=dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset,
        ),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
    )
    Config(cfg).dump(root / 'model.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config(cfg).model)
    torch.save(dict(state_dict=model.state_dict()), root / 'model.pth')
    return root


def test_a_segmentor_has_the_scores_of_the_test_tool_on_its_set_and_on_a_folder(
    colours, tmp_path, call_tool
):
    own = ('--images', colours / 'pictures', '--annotations', colours / 'labels')
    rows = []
    for number, arguments in enumerate(((), own)):
        file = tmp_path / f'{number}.json'
        status, error = ask(
            call_tool, colours, tmp_path / f'work_{number}', '--enhancers', 'fixed_gain@gain=4',
            '--json', file, *arguments,
        )  # fmt: skip
        assert status == 0, error
        rows.append(json.loads(file.read_text())['rows'])
    assert [row['scores'] for row in rows[0]] == [row['scores'] for row in rows[1]]
    assert rows[0][1]['verdict'] == 'helps'
    cfg = Config.fromfile(colours / 'model.py')
    lit = plug_enhancer(cfg, 'fixed_gain', gain=4)
    for number, (row, one) in enumerate(zip(rows[0], (cfg, lit), strict=True)):
        one.load_from, one.work_dir = str(colours / 'model.pth'), str(tmp_path / f'test_{number}')
        one.experiment_name = f'colours_{number}'
        expected = Runner.from_cfg(one).test()['mIoU']
        assert row['scores']['mIoU']['value'] == pytest.approx(expected, abs=0.0051)


def test_label_maps_that_do_not_fit_are_refused(colours, tmp_path, call_tool):
    maps = tmp_path / 'labels'
    shutil.copytree(colours / 'labels', maps)
    cv2.imwrite(str(maps / '03.png'), np.full((24, 30), 9, np.uint8))
    own = ('--enhancers', 'gamma', '--images', colours / 'pictures', '--annotations')
    empty = tmp_path / 'empty'
    empty.mkdir()
    one = tmp_path / 'one'
    one.mkdir()
    shutil.copy(colours / 'labels' / '00.png', one / 'elsewhere.png')
    cases = [(maps, 'has the ids 9'), (empty, 'holds no label map'), (one, 'elsewhere.png')]
    for folder, message in cases:
        status, error = ask(call_tool, colours, tmp_path / 'work', *own, folder)
        assert status == 2 and message in error and 'Traceback' not in error, error
