import math

import pytest

from llv.evaluation.segmentation.class_views import (
    CITYSCAPES_CLASSES,
    CLASS_VIEWS,
    get_classes,
    get_views,
    mean_over,
)
from llv.utils.label_maps import CITYSCAPES_LABEL_IDS

# RUAS (journal version), segmentation of ACDC at night; its table prints these classes in this order
PRINTED = (
    'road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light', 'traffic sign', 'vegetation', 'terrain',
    'sky', 'person', 'rider', 'car', 'train', 'motorcycle', 'bicycle',
)  # fmt: skip
ROWS = {
    48.5: '91.7 65.3 75.7 38.5 38.5 45.3 45.7 27.0 70.0 10.4 82.1 29.2 11.6 59.0 79.8 10.4 43.9',
    46.1: '90.0 61.4 74.2 32.8 34.4 45.7 49.8 31.2 68.8 14.6 80.4 27.1 12.6 62.1 76.3 7.3 14.4',
}


@pytest.mark.parametrize('printed_mean, row', ROWS.items())
def test_the_view_of_ruas_averages_its_published_rows(printed_mean, row):
    values = dict(zip(PRINTED, map(float, row.split()), strict=True))
    # whatever a model of 19 outputs has on the two others
    values.update(truck=3.0, bus=0.0)
    assert round(mean_over(values, CLASS_VIEWS['acdc_night_17']), 1) == printed_mean
    assert round(mean_over(values, CLASS_VIEWS['acdc_night_19']), 1) != printed_mean


def test_the_views_leave_out_what_their_papers_leave_out():
    everything = set(CITYSCAPES_CLASSES)
    left_out = {name: everything - set(view) for name, view in CLASS_VIEWS.items()}
    assert left_out == dict(
        acdc_night_19=set(),
        acdc_night_17={'truck', 'bus'},
        acdc_night_15={'rider', 'truck', 'bus', 'motorcycle'},
    )
    assert {name: len(view) for name, view in CLASS_VIEWS.items()} == dict(
        acdc_night_19=19, acdc_night_17=17, acdc_night_15=15
    )
    assert set(CLASS_VIEWS['acdc_night_17']) == set(PRINTED)


def test_the_classes_are_those_of_mmseg():
    datasets = pytest.importorskip('mmseg.datasets')
    assert CITYSCAPES_CLASSES == datasets.CityscapesDataset.METAINFO['classes']
    assert list(CITYSCAPES_LABEL_IDS.values()) == sorted(set(CITYSCAPES_LABEL_IDS.values()))


def test_absent_classes_are_left_out_of_a_mean():
    assert mean_over(dict(a=10.0, b=math.nan), ['a', 'b', 'c']) == 10
    assert mean_over(dict(a=10.0, b=math.nan), ['b', 'c']) is None


def test_views_and_classes_are_named_or_listed():
    assert get_views('acdc_night_19') == get_views(['acdc_night_19'])
    assert get_views(dict(mine=['sky', 'road'])) == dict(mine=('sky', 'road'))
    assert get_classes('acdc_night_17') == CLASS_VIEWS['acdc_night_17']
    assert get_classes(['sky']) == ('sky',)
    for call, message in (
        (lambda: get_views('acdc'), '`acdc` is no class view; known are `acdc_night_19`'),
        (lambda: get_views(['acdc_night_19', 'x']), '`x` is no class view'),
        (lambda: get_views(dict(mine=[])), 'the class view `mine` once each, at least one'),
        (lambda: get_views(dict(mine=['sky', 'sky'])), 'the class view `mine` once each'),
        (lambda: get_classes('sky'), '`sky` is no class view'),
        (lambda: get_classes([]), '`classes_to_report` once each'),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_the_metrics_are_built_by_name(tmp_path):
    pytest.importorskip('mmseg')
    from mmengine.registry import METRICS

    for name, options in (
        ('PerClassIoUMetric', dict(views=list(CLASS_VIEWS))),
        ('RegionIoUMetric', dict(classes_to_report='acdc_night_17')),
        ('LabelMapExport', dict(out_dir=str(tmp_path))),
    ):
        metric = METRICS.build(dict(type=f'llv.{name}', **options))
        metric.dataset_meta = dict(classes=CITYSCAPES_CLASSES)
        assert type(metric).__name__ == name
