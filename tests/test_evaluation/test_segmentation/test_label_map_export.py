import logging

import numpy as np
import pytest
from PIL import Image
from test_evaluation.test_segmentation.label_maps import sample

pytest.importorskip('mmseg')
from llv.evaluation.segmentation import CLASS_VIEWS, LabelMapExport  # noqa: E402

ALL = CLASS_VIEWS['acdc_night_19']
# the table of Cityscapes, by train id
LABEL_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]


def export(metric, predictions, classes=ALL):
    metric.dataset_meta = dict(classes=classes)
    for path, values in predictions:
        metric.process(None, [dict(sample(values), img_path=path)])
    return metric.evaluate(len(predictions))


def read(path):
    picture = Image.open(path)
    assert picture.mode == 'L'
    return np.array(picture)


def test_train_ids_are_written_under_the_names_of_the_pictures(tmp_path):
    maps = [np.random.default_rng(k).integers(0, 19, (5, 7)) for k in range(2)]
    folder = tmp_path / 'new' / 'folder'
    names = [f'/x/night/{r}/{r}_frame_000001_rgb_anon.png' for r in ('GOPR0351', 'GP010376')]
    assert export(LabelMapExport(folder), list(zip(names, maps, strict=True))) == {}
    assert sorted(p.name for p in folder.iterdir()) == [
        'GOPR0351_frame_000001_rgb_anon.png', 'GP010376_frame_000001_rgb_anon.png',
    ]  # fmt: skip
    for name, values in zip(names, maps, strict=True):
        np.testing.assert_array_equal(read(folder / name.rsplit('/', 1)[1]), values)


def test_label_ids_are_those_of_the_table_of_cityscapes(tmp_path):
    values = np.arange(19).reshape(1, 19)
    export(LabelMapExport(tmp_path, ids='labelIds'), [('a_leftImg8bit.png', values)])
    assert read(tmp_path / 'a_leftImg8bit.png').tolist() == [LABEL_IDS]


@pytest.mark.parametrize('ids, table', [('trainIds', range(19)), ('labelIds', LABEL_IDS)])
def test_a_model_of_fewer_classes_writes_the_numbers_of_their_names(tmp_path, ids, table):
    classes = CLASS_VIEWS['acdc_night_17']
    values = np.arange(17).reshape(1, 17)
    export(LabelMapExport(tmp_path, ids=ids), [('a.png', values)], classes)
    expected = [table[ALL.index(name)] for name in classes]
    assert read(tmp_path / 'a.png').tolist() == [expected]


def test_the_end_of_a_name_can_be_another(tmp_path):
    metric = LabelMapExport(
        tmp_path, suffix='_gt_labelTrainIds.png', img_suffix='_rgb_anon.png'
    )  # fmt: skip
    export(metric, [('x/GOPR0351_frame_000159_rgb_anon.png', np.zeros((2, 2), int))])
    assert (tmp_path / 'GOPR0351_frame_000159_gt_labelTrainIds.png').is_file()
    with pytest.raises(ValueError, match='`x/a_ref.png` does not end with `_rgb_anon.png`'):
        export(metric, [('x/a_ref.png', np.zeros((2, 2), int))])


def test_two_pictures_of_one_name_are_refused_and_the_first_file_stays(tmp_path):
    one, other = np.zeros((2, 2), int), np.ones((2, 2), int)
    message = '`x/a.png` and `y/a.png` would both be written to'
    with pytest.raises(ValueError, match=message):
        export(LabelMapExport(tmp_path), [('x/a.png', one), ('y/a.png', other)])
    assert read(tmp_path / 'a.png').max() == 0
    # two ranks learn of each other when results are gathered
    ranks = [LabelMapExport(tmp_path) for _ in range(2)]
    for rank, path in zip(ranks, ('x/a.png', 'y/a.png'), strict=True):
        rank.dataset_meta = dict(classes=ALL)
        rank.process(None, [dict(sample(one), img_path=path)])
    with pytest.raises(ValueError, match=message):
        ranks[0].compute_metrics(ranks[0].results + ranks[1].results)


def test_a_picture_that_comes_twice_and_a_second_run_are_no_mistake(tmp_path):
    metric = LabelMapExport(tmp_path)
    export(metric, [('a.png', np.zeros((2, 2), int))] * 2)
    export(metric, [('a.png', np.ones((2, 2), int))])
    assert read(tmp_path / 'a.png').min() == 1


def test_foreign_files_in_the_folder_are_told_of(tmp_path, caplog):
    from mmengine.logging import MMLogger

    logger = MMLogger.get_instance('label_map_export')
    logger.addHandler(caplog.handler)
    try:
        export(LabelMapExport(tmp_path), [('a.png', np.zeros((2, 2), int))])
        assert 'did not write' not in caplog.text
        export(LabelMapExport(tmp_path), [('b.png', np.zeros((2, 2), int))])
        assert '1 PNG files that this run did not write, such as `a.png`' in caplog.text
    finally:
        logger.removeHandler(caplog.handler)
        logging.Logger.manager.loggerDict.pop('label_map_export', None)


def test_mistakes_are_told_in_a_sentence(tmp_path):
    for options, message in (
        (dict(ids='ids'), '`ids` must be'),
        (dict(suffix='_x'), '`suffix` must end with `.png`'),
    ):
        with pytest.raises(ValueError, match=message):
            LabelMapExport(tmp_path, **options)
    with pytest.raises(ValueError, match='names `wheel`, which Cityscapes does not have'):
        LabelMapExport(tmp_path).dataset_meta = dict(classes=('road', 'wheel'))
    with pytest.raises(ValueError, match='gives class 18 for `a.png`, but the data set has 17'):
        export(LabelMapExport(tmp_path), [('a.png', np.full((2, 2), 18))], CLASS_VIEWS['acdc_night_17'])  # fmt: skip
    metric = LabelMapExport(tmp_path)
    metric.dataset_meta = dict(classes=ALL)
    with pytest.raises(ValueError, match='names files by `img_path`'):
        metric.process(None, [dict(pred_sem_seg=sample(np.zeros((2, 2)))['pred_sem_seg'])])
