"""The commands of the page on segmentation parse, their configs build, and its sums are right."""

import copy
import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

pytest.importorskip('mmseg')
from docs_commands import (  # noqa: E402
    ROOT,
    check_command,
    commands,
    commands_of,
    configs_off_their_page,
    title,
)

from llv.apis import clear_pretrained  # noqa: E402
from llv.evaluation.segmentation.class_views import CLASS_VIEWS, mean_over  # noqa: E402
from llv.models.data_preprocessors.photometric_distortion import (  # noqa: E402
    PhotoMetricDistortion,
)
from llv.models.layers.frozen_bn import FrozenBN  # noqa: E402
from llv.registry import DATASETS, METRICS, MODELS  # noqa: E402

PAGE = ROOT / 'docs' / 'segmentation.md'
TEXT = PAGE.read_text(encoding='utf-8')
FOLDERS = [
    ROOT / 'configs' / name
    for name in ('acdc', 'cityscapes_dark', 'dark_zurich', 'night_city', 'nighttime_driving')
]
PAGES = [
    PAGE,
    ROOT / 'docs' / 'segmentation_label_efficiency.md',
    *(folder / 'README.md' for folder in FOLDERS),
]
# those of the papers, as the page prints them
MEANS = {'DeepLabv3+, paper': (46.1, 50.9), 'RUAS, paper': (48.5, 53.5)}


def build(cfg):
    """The model without memory for its weights, and without fetching those of its enhancer."""
    clear_pretrained(cfg)
    if 'enhancer' in cfg.model.data_preprocessor:
        cfg.model.data_preprocessor.enhancer.pop('weights', None)
    return built(cfg.model.to_dict())


BUILT = []


def built(model):
    """A model of this config; most commands of a page share one."""
    for known, result in BUILT:
        if known == model:
            return result
    with DefaultScope.overwrite_default_scope('mmseg'), torch.device('meta'):
        BUILT.append((model, MODELS.build(ConfigDict(copy.deepcopy(model)))))
    return BUILT[-1][1]


def cells(line):
    return [cell.strip() for cell in line.strip('|').split('|')]


def rows(header):
    """The cells of the rows of the table whose header has a cell of this name."""
    lines = TEXT.splitlines()
    start = next(
        n for n, line in enumerate(lines) if line.startswith('|') and header in cells(line)
    )
    end = next(n for n in range(start, len(lines)) if not lines[n].startswith('|'))
    return [cells(line) for line in (lines[start], *lines[start + 2 : end])]


def written(folder, marker):
    """The block of Python on the page that has a word, as a config file."""
    blocks = re.findall(r'^ *```python\n(.*?)^ *```', TEXT, flags=re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if marker in block)
    block = re.sub(r'^  ', '', block, flags=re.MULTILINE)
    file = folder / 'mine.py'
    file.write_text(block.replace("'configs/", f"'{ROOT}/configs/"), encoding='utf-8')
    return Config.fromfile(file)


@pytest.mark.parametrize('command', commands_of(PAGES), ids=title)
def test_command_of_a_page_parses_and_its_model_builds(command, monkeypatch):
    cfg = check_command(command, monkeypatch)
    if cfg is not None:
        assert build(cfg).num_classes == 19


def test_the_page_shows_a_command_for_each_figure_of_the_papers():
    figures = [line for line in TEXT.splitlines() if line.startswith('|') and '| not run |' in line]
    bare = {cells(line)[0]: line for line in figures if 'python tools/' not in line}
    assert sorted(bare) == [
        'DANNet',
        'DeepLPF',
        'DeepLabv3+, ours',  # seventeen classes of one run
        'MBLLEN',
        'RUAS, ours',
    ]
    assert all('not here' in line for name, line in bare.items() if 'ours' not in name)
    assert len(figures) - len(bare) >= 16


@pytest.mark.parametrize('name', MEANS)
def test_the_classes_of_the_papers_rows_average_to_the_means_on_the_page(name):
    header, *body = rows('IoU by class')
    assert header[1:-1] == list(CLASS_VIEWS['acdc_night_17'])
    (row,) = (row for row in body if row[0] == name)
    values = dict(zip(header[1:-1], map(float, row[1:-1]), strict=True))
    for view, mean in zip(('acdc_night_17', 'acdc_night_15'), MEANS[name], strict=True):
        assert mean_over(values, CLASS_VIEWS[view]) == pytest.approx(mean, abs=0.051)
    assert float(row[-1]) == MEANS[name][0]
    assert all(str(mean) in TEXT.split('The classes can be reckoned')[1] for mean in MEANS[name])


def test_each_weight_file_is_the_start_of_a_config_and_each_config_starts_from_one():
    files = {row[1].strip('`') for row in rows("file of mmseg's index")[1:]}
    starts = set()
    for folder in FOLDERS:
        for path in folder.glob('deeplabv3plus_*.py'):
            starts |= set(re.findall(r"^load_from = '(.*)'", path.read_text(), flags=re.MULTILINE))
    assert starts == {f'checkpoints/{file}' for file in files}


def test_synchronised_statistics_of_the_page_take_the_place_of_all_frozen_ones(monkeypatch):
    (command,) = (c for c in commands(TEXT) if 'pytorch' in c)
    model = build(check_command(command, monkeypatch))
    assert not any(isinstance(part, FrozenBN) for part in model.modules())
    assert any(isinstance(part, torch.nn.SyncBatchNorm) for part in model.modules())


def test_distortion_behind_the_enhancer_is_built_from_the_command_on_the_page(monkeypatch):
    (command,) = (c for c in commands(TEXT) if any('distortion.type' in word for word in c))
    cfg = check_command(command, monkeypatch)
    assert cfg.train_dataloader.dataset.pipeline[6].prob == 0
    preprocessor = build(cfg).data_preprocessor
    assert isinstance(preprocessor.distortion, PhotoMetricDistortion)
    assert tuple(preprocessor.base.size) == (512, 1024)


@pytest.mark.parametrize(
    ('name', 'index'),
    [
        ('acdc', 6),
        ('acdc_night', 6),
        ('acdc_night_ruas', 6),
        ('night_city', 6),
        ('cityscapes_dark', 7),
    ],
)
def test_the_step_of_the_pipelines_that_the_page_leaves_out_is_the_distortion(name, index):
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / f'{name}.py')
    step = cfg.train_dataloader.dataset.pipeline[index]
    assert step.type == 'RandomApply' and f'pipeline.{index}' in TEXT
    assert [part.type for part in step.transforms] == ['PhotoMetricDistortion']


def test_settings_of_iat_on_the_page_reach_crop_input_and_schedule(monkeypatch):
    (command,) = (c for c in commands(TEXT) if 'train_cfg.max_iters=20000' in c)
    cfg = check_command(command, monkeypatch)
    crop = cfg.train_dataloader.dataset.pipeline[4]
    base = cfg.model.data_preprocessor.base
    assert crop.type == 'RandomCrop'
    assert tuple(crop.crop_size) == tuple(base.size) == (512, 512)
    assert (list(base.mean), list(base.std)) == ([0] * 3, [255] * 3)
    (schedule,) = cfg.param_scheduler
    assert (schedule.end, schedule.eta_min) == (cfg.train_cfg.max_iters, 1e-4) == (20000, 1e-4)
    assert cfg.optim_wrapper.optimizer.lr == 5e-3 and cfg.train_dataloader.batch_size == 16


def test_the_config_for_servers_reads_pictures_without_labels(tmp_path):
    folder = tmp_path / 'data' / 'rgb_anon' / 'night' / 'test' / 'GOPR0351'
    folder.mkdir(parents=True)
    picture = folder / 'GOPR0351_frame_000001_rgb_anon.png'
    cv2.imwrite(str(picture), np.full((9, 16, 3), 20, np.uint8))
    cfg = written(tmp_path, 'LabelMapExport')
    with DefaultScope.overwrite_default_scope('mmseg'):
        cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')
        data = DATASETS.build(cfg.test_dataloader.dataset)
        sample = data[0]
        (metric,) = cfg.test_evaluator
        exporter = METRICS.build(dict(metric, out_dir=str(tmp_path / 'out')))
    assert sample['inputs'].shape == (3, 1080, 1920)
    exporter.dataset_meta = data.metainfo
    predicted = dict(pred_sem_seg=dict(data=torch.full((1, 9, 16), 13)), img_path=str(picture))
    exporter.process({}, [predicted])
    exporter.evaluate(1)
    (file,) = (tmp_path / 'out').iterdir()
    assert file.stem == picture.stem
    assert (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) == 13).all()


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_every_segmentation_config_is_on_the_page_of_its_folder(folder):
    assert configs_off_their_page(folder) == []
