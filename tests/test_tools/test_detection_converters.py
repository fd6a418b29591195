"""The converters of detection data: to COCO JSON, to VOC's XML, and back to the official formats."""

import importlib.util
import json
import runpy
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from mmdet.datasets import CocoDataset, VOCDataset  # noqa: E402

from llv.datasets.detection import ExDarkDataset  # noqa: E402
from llv.datasets.detection.native_writers import plain_number  # noqa: E402
from llv.datasets.detection.readers import open_dataset  # noqa: E402
from llv.utils.errors import friendly_errors  # noqa: E402

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'test_datasets' / 'test_detection'
faces = SimpleNamespace(**runpy.run_path(str(DATA / 'face_data.py')))
exdark = SimpleNamespace(**runpy.run_path(str(DATA / 'data.py')))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a converter in this process; returns its exit status, stdout and stderr."""

    def call(name, *arguments):
        path = ROOT / 'tools' / 'dataset_converters' / f'{name}.py'
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, arguments)])
        monkeypatch.delenv('LLV_DEBUG', raising=False)
        capsys.readouterr()
        try:
            with friendly_errors():
                status = module.main() or 0
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return call


# name: how to make it, options of the reader, picture folder
SETS = {
    'darkface': (lambda root: faces.write_dark_face(root), {}, 'image'),
    'exdark': (lambda root: exdark.write_exdark(root), {}, 'images'),
    'wider_face': (lambda root: faces.write_wider_face(root), dict(subset='train'), None),
    'fddb': (lambda root: faces.write_fddb(root), {}, 'originalPics'),
}


@pytest.fixture(params=SETS)
def made(request, tmp_path):
    make, options, images = SETS[request.param]
    root = make(tmp_path / 'source')
    return SimpleNamespace(
        name=request.param,
        root=root,
        options=options,
        images=root / (images or 'WIDER_train/images'),
        arguments=[f'{key}={value}' for key, value in options.items()],
    )


def records(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def plain(instances):
    return [(item['bbox'], item['bbox_label'], item['ignore_flag']) for item in instances]


# to COCO ------------------------------------------------------------------------------------------


def to_coco(run, made, out, *more):
    options = ['--options', *made.arguments] if made.arguments else []
    return run('detection_to_coco', made.name, made.root, out, *options, *more)


def test_what_mmdet_reads_from_the_json_is_what_the_reader_gives(run, made, tmp_path):
    from pycocotools.coco import COCO

    out = tmp_path / 'new' / 'set.json'
    status, said, _ = to_coco(run, made, out)
    native = open_dataset(made.name, made.root, **made.options)
    boxes = sum(len(record['instances']) for record in records(native))
    assert status == 0 and f'{len(native)} pictures, {boxes} boxes' in said and boxes
    assert stat.S_IMODE(out.stat().st_mode) & 0o444 == 0o444
    coco = COCO(str(out))
    assert min(coco.anns) == 1  # pycocotools takes 0 for "no match"
    categories = [(item['id'], item['name']) for item in coco.loadCats(coco.getCatIds())]
    assert categories == list(enumerate(native.metainfo['classes']))

    read = CocoDataset(
        ann_file=str(out),
        data_prefix=dict(img=str(made.images)),
        metainfo=native.metainfo,
        test_mode=True,
    )
    by_id = {record['img_id']: record for record in records(native)}
    found = records(read)
    assert len(found) == len(by_id)
    for record in found:
        other = by_id[record['img_id']]
        for key in ('img_path', 'height', 'width'):
            assert record[key] == other[key]
        crowd = [i for i in record['instances'] if i['ignore_flag']]
        assert sorted(map(repr, plain(crowd))) == sorted(
            repr(item) for item in plain(other['instances']) if item[2]
        )
        for item, wanted in zip(
            sorted(plain(record['instances'])), sorted(plain(other['instances'])), strict=True
        ):
            assert item[0] == pytest.approx(wanted[0], abs=1e-9) and item[1:] == wanted[1:]


def test_what_only_one_set_knows_stays_in_its_json(run, tmp_path):
    exdark.write_exdark(tmp_path / 'e')
    run('detection_to_coco', 'exdark', tmp_path / 'e', tmp_path / 'e.json')
    content = json.loads((tmp_path / 'e.json').read_text())
    image = next(image for image in content['images'] if image['id'] == 7)
    assert image == dict(
        id=7, file_name='people/2016_00007.png', width=64, height=48, name='2016_00007.png',
        folder='People', light='Weak', indoor=True, split=3,
    )  # fmt: skip
    faces.write_fddb(tmp_path / 'f')
    run('detection_to_coco', 'fddb', tmp_path / 'f', tmp_path / 'f.json')
    content = json.loads((tmp_path / 'f.json').read_text())
    assert content['annotations'][0]['ellipse'] == [20.5, 12, 1.8, 30, 24]


@pytest.mark.parametrize(
    'options, numbers',
    [
        (['protocol=exdark_official', 'subset=val'], [2, 6]),
        (['light=Low,Weak', 'indoor=True'], [1, 7]),
        (['indoor=False'], [2, 4, 5]),
        (['folders=Cat,Cup'], [4, 8]),
    ],
)
def test_options_of_the_reader_choose_pictures(run, tmp_path, options, numbers):
    exdark.write_exdark(tmp_path / 'e')
    out = tmp_path / 'e.json'
    assert run('detection_to_coco', 'exdark', tmp_path / 'e', out, '--options', *options)[0] == 0
    assert [image['id'] for image in json.loads(out.read_text())['images']] == numbers


def test_skipped_pictures_are_told(run, tmp_path):
    root, out = exdark.write_exdark(tmp_path / 'e'), tmp_path / 'e.json'
    (root / 'images' / 'Dog' / '2015_00006.png').unlink()
    status, said, _ = run('detection_to_coco', 'exdark', root, out)
    assert status == 1 and '7 pictures' in said and '1 pictures skipped' in said
    assert len(json.loads(out.read_text())['images']) == 7
    out.unlink()
    status, _, error = run('detection_to_coco', 'exdark', root, out, '--missing', 'raise')
    assert status == 2 and '2015_00006.png' in error and not out.exists()


@pytest.mark.parametrize(
    'arguments, words',
    [
        ([], 'ExDark was not found'),
        (['--options', 'ligth=Low'], '`ligth` is no option of `exdark`, nearest is `light`'),
        (['--options', 'light=Lwo'], 'nearest is `Low`'),
        (['--options', 'light'], '`--options light` has no `=`; write `key=value`'),
    ],
)
def test_mistakes_are_told_in_one_sentence(run, tmp_path, arguments, words):
    root = tmp_path / 'nowhere' if not arguments else exdark.write_exdark(tmp_path / 'e')
    status, _, error = run('detection_to_coco', 'exdark', root, tmp_path / 'x.json', *arguments)
    assert status == 2 and words in error and 'Traceback' not in error


def test_a_folder_in_place_of_the_json_is_told(run, tmp_path):
    root, before = faces.write_fddb(tmp_path / 'f'), set(tmp_path.iterdir())
    status, _, error = run('detection_to_coco', 'fddb', root, tmp_path)
    assert status == 2 and f'`{tmp_path}` is a folder: name the file in it' in error
    assert set(tmp_path.iterdir()) - before <= {tmp_path / 'cache'}


# to VOC -------------------------------------------------------------------------------------------


@pytest.mark.parametrize('pictures', ['link', 'copy'])
def test_mmdet_reads_from_the_xml_the_corners_of_the_reader(run, made, tmp_path, pictures):
    if made.name == 'fddb':
        assert run('detection_to_voc', 'fddb', made.root, tmp_path / 'v')[0] == 2
        return
    out = tmp_path / 'v'
    options = ['--options', *made.arguments] if made.arguments else []
    arguments = [made.name, made.root, out, '--list', 'train', '--pictures', pictures, *options]
    assert run('detection_to_voc', *arguments)[0] == 0
    native = open_dataset(made.name, made.root, **made.options)
    read = VOCDataset(
        data_root=str(out),
        ann_file='ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=native.metainfo,
        test_mode=True,
    )
    for record, other in zip(records(read), records(native), strict=True):
        assert Path(other['img_path']).stem == record['img_id']
        assert (record['width'], record['height']) == (other['width'], other['height'])
        assert Path(record['img_path']).is_symlink() == (pictures == 'link')
        with Image.open(record['img_path']) as one, Image.open(other['img_path']) as two:
            assert one.tobytes() == two.tobytes()
        # 1.5 2.25 10.5 20 and 1.5 2.25 12 22.25 are the decimals of the made-up data
        wanted = [
            ([round(value) for value in box], label, ignore)
            for box, label, ignore in plain(other['instances'])
        ]
        assert plain(record['instances']) == wanted


def test_a_box_smaller_than_a_pixel_keeps_one(run, tmp_path):
    text = b'2\n63.6 47.6 64 48\n5.6 5.6 6.4 6.4\n'
    root = faces.write_dark_face(tmp_path / 'd', {'1': ('1.png', '1.txt', text)})
    assert run('detection_to_voc', 'darkface', root, tmp_path / 'v', '--pictures', 'none')[0] == 0
    read = VOCDataset(
        data_root=str(tmp_path / 'v'),
        ann_file='ImageSets/Main/all.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('face',)),
        test_mode=True,
    )
    assert [box for box, *_ in plain(read.get_data_info(0)['instances'])] == [
        [63, 47, 64, 48],
        [6, 6, 7, 7],
    ]
    assert not (tmp_path / 'v' / 'JPEGImages').exists()


# and back -----------------------------------------------------------------------------------------


def test_native_to_coco_to_native_gives_the_same_records(run, made, tmp_path):
    out, back = tmp_path / 'set.json', tmp_path / 'back'
    assert to_coco(run, made, out)[0] == 0
    if made.name == 'fddb':
        assert run('coco_to_native', out, made.images, back, '--format', 'fddb')[0] == 2
        return
    status, said, error = run('coco_to_native', out, made.images, back, '--format', made.name)
    assert status == 0, error
    first = records(open_dataset(made.name, made.root, **made.options))
    invalid = sum(item.get('invalid', 0) for record in first for item in record['instances'])
    again = open_dataset(made.name, back, **made.options)
    assert again.repairs.summary() == ''  # all has been mended
    for record, other in zip(records(again), first, strict=True):
        for key in set(other) - {'img_path'}:
            assert record[key] == other[key], key
        assert Path(record['img_path']).read_bytes() == Path(other['img_path']).read_bytes()
    assert f'{len(first)} pictures' in said and (invalid == 1) == (made.name == 'wider_face')


def coco(pictures, names=('face',)):
    """A small JSON: (file name, [(category, box, iscrowd)]) for each picture."""
    annotations = [
        dict(id=0, image_id=index, category_id=category, bbox=box, iscrowd=crowd)
        for index, (_, boxes) in enumerate(pictures)
        for category, box, crowd in boxes
    ]
    images = [
        dict(id=index, file_name=name, width=64, height=48)
        for index, (name, _) in enumerate(pictures)
    ]
    categories = [dict(id=index, name=name) for index, name in enumerate(names)]
    return dict(images=images, annotations=annotations, categories=categories)


@pytest.fixture
def write(tmp_path):
    def call(*arguments):
        content = coco(*arguments)
        (tmp_path / 'in.json').write_text(json.dumps(content))
        for image in content['images']:
            faces.picture(tmp_path / 'pictures' / image['file_name'])
        return tmp_path / 'in.json', tmp_path / 'pictures', tmp_path / 'out'

    return call


def test_what_a_format_cannot_hold_is_left_out_and_named(run, write, tmp_path):
    boxes = [
        (0, [1, 2, 3, 4], 0),
        (1, [5, 5, 5, 5], 0),
        (0, [9, 9, 5, 5], 1),
        (0, [9, 9, -5, 5], 0),
    ]
    paths = write([('a/7.png', boxes)], ('person', 'cow'))
    status, _, error = run('coco_to_native', *paths, '--format', 'darkface')
    assert status == 2 and 'choose `--category` among `cow`, `person`' in error
    arguments = [*paths, '--format', 'darkface', '--category', 'Person']
    status, said, _ = run('coco_to_native', *arguments)
    assert status == 0 and '1 pictures, 1 boxes' in said
    assert 'left out: a/7.png: a box of class cow' in said and 'to be ignored' in said
    assert 'left out: a/7.png: a box without area' in said
    assert (tmp_path / 'out' / 'label' / '7.txt').read_text() == '1\n1 2 4 6\n'


def test_boxes_to_be_ignored_are_invalid_in_wider_face(run, write, tmp_path):
    paths = write([('7.jpg', [(0, [1, 2, 3, 4], 1)]), ('8.jpg', [])])
    assert run('coco_to_native', *paths, '--format', 'wider_face', '--subset', 'val')[0] == 0
    path = tmp_path / 'out' / 'wider_face_split' / 'wider_face_val_bbx_gt.txt'
    assert path.read_text().splitlines() == [
        '0--All/7.jpg', '1', '1 2 3 4 0 0 0 1 0 0', '0--All/8.jpg', '0', '0 0 0 0 0 0 0 0 0 0',
    ]  # fmt: skip


def test_other_data_become_exdark_when_the_columns_are_said(run, write, tmp_path):
    pictures = [('x/cat.jpg', [(0, [1, 2, 3, 4], 0), (1, [0, 0, 9, 9], 0)]), ('y.jpg', [])]
    paths = write(pictures, ('person', 'zebra'))
    status, _, error = run('coco_to_native', *paths, '--format', 'exdark')
    assert status == 2 and '`light`, `indoor`, `split`' in error
    (tmp_path / 'cows.json').write_text(
        json.dumps(coco([('y.jpg', [(0, [1, 2, 3, 4], 0)])], ['cow']))
    )
    status, _, error = run(
        'coco_to_native', tmp_path / 'cows.json', *paths[1:], '--format', 'exdark'
    )
    assert status == 2 and 'No picture has a class folder or a box of a class of ExDark' in error
    assert not paths[2].exists()
    columns = ['--light', 'twilight', '--outdoor', '--split', 'test']
    status, said, _ = run('coco_to_native', *paths, '--format', 'exdark', *columns)
    assert status == 0 and 'zebra' in said and 'y.jpg: the picture has no class folder' in said
    (record,) = records(ExDarkDataset(data_root=str(tmp_path / 'out')))
    assert (record['name'], record['folder'], record['light'], record['split']) == (
        '2015_00000.jpg', 'People', 'Twilight', 3,
    )  # fmt: skip
    assert record['instances'] == [dict(bbox=[1, 2, 4, 6], bbox_label=10, ignore_flag=0)]


def test_pictures_of_one_stem_are_refused_where_there_are_no_folders(run, write):
    paths = write([('a/1.png', []), ('b/1.jpg', [])])
    status, _, error = run('coco_to_native', *paths, '--format', 'darkface')
    assert status == 2 and '`a/1.png` and `b/1.jpg` have one name' in error


@pytest.mark.parametrize(
    'names, words',
    [
        (['a/../../1.png'], '`a/../../1.png` leads out of the picture folder'),
        (['1.png', '0--All/1.png'], '`0--All/1.png` would be written twice'),
    ],
)
def test_pictures_keep_to_their_folder_and_place_in_wider_face(run, write, names, words):
    paths = write([(name, []) for name in names])
    status, _, error = run('coco_to_native', *paths, '--format', 'wider_face')
    assert status == 2 and words in error and not paths[2].exists()


def test_a_picture_is_never_written_over_itself(run, tmp_path):
    root = faces.write_dark_face(tmp_path / 'd')
    run('detection_to_coco', 'darkface', root, tmp_path / 'd.json')
    before = (root / 'image' / '1.png').read_bytes()
    for how in ('link', 'copy'):
        arguments = [tmp_path / 'd.json', root / 'image', root, '--format', 'darkface']
        status, _, error = run('coco_to_native', *arguments, '--pictures', how)
        assert status == 2 and 'over itself' in error
    assert (root / 'image' / '1.png').read_bytes() == before


def test_a_file_that_is_no_coco_json_is_told(run, tmp_path):
    (tmp_path / 'x.json').write_text('{"images": []}')
    (tmp_path / 'empty.json').write_text('{"images": [], "annotations": [], "categories": []}')
    for name, words in (
        ('x.json', 'is no COCO JSON'),
        ('empty.json', 'has no picture'),
        ('none.json', 'does not exist'),
    ):
        arguments = [tmp_path / name, tmp_path, tmp_path / 'out', '--format', 'darkface']
        status, _, error = run('coco_to_native', *arguments)
        assert status == 2 and words in error


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**7), 10**7), st.integers(-(10**4), 10**4))
def test_plain_numbers_survive_the_way_over_width_and_height(left, width):
    x, w = left / 10**4, width / 10**2
    assert float(plain_number(x)) == x
    assert float(plain_number(x + ((x + w) - x))) == pytest.approx(x + w, abs=1e-4)
    assert 'e' not in plain_number(x) and plain_number(x) != '-0'
