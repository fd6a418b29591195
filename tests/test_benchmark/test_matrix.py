"""Reading the YAML file of a benchmark."""

import copy

import pytest
import yaml

from llv.benchmark.matrix_file import read_matrix

BASE = dict(
    metric='AP50',
    detectors=dict(small=dict(config='det.py', start='day.py')),
    enhancers={'none': None, 'PSENet': dict(enhancer='psenet', upstream='psenet.py'), 'Gamma': dict(enhancer='gamma')},
    seeds=[0, 1],
)  # fmt: skip


@pytest.fixture
def read(tmp_path):
    for name in ('det.py', 'day.py', 'psenet.py'):
        (tmp_path / name).write_text('a = 1\n')

    def write_and_read(changes=None, **arguments):
        content = copy.deepcopy(BASE)
        content.update(changes or {})
        file = tmp_path / 'matrix.yml'
        file.write_text(yaml.safe_dump(content))
        return read_matrix(file, **arguments)

    return write_and_read


def test_the_product_holds_the_combinations_that_make_sense(read):
    every = [
        'detector_only',
        'zero_shot',
        'frozen',
        'end_to_end',
        'end_to_end_scene',
        'hierarchical',
    ]
    found = {(a.strategy, a.enhancer.name) for a in read(dict(strategies=every)).arms}
    assert found == {
        ('detector_only', 'none'),
        *((s, 'PSENet') for s in every[1:]),
        *((s, 'Gamma') for s in ('zero_shot', 'frozen', 'end_to_end')),
    }


def test_points_are_the_product_of_arms_axes_and_seeds_with_seeds_outermost(read):
    arms = [
        dict(name='direct', strategy='detector_only'),
        dict(name='lit', enhancer='PSENet', strategy='hierarchical', only=dict(labels=[64]), seeds=[1]),
    ]  # fmt: skip
    axes = dict(
        labels=dict(values=[16, 64], draw=dict(into='x.indices', of=100)), size=dict(values=['a'])
    )
    points = list(read(dict(arms=arms, axes=axes)).points())
    assert [(p.seed, p.axes['labels'], p.arm.name) for p in points] == [
        (0, 16, 'direct'), (0, 64, 'direct'), (1, 16, 'direct'), (1, 64, 'direct'), (1, 64, 'lit'),
    ]  # fmt: skip
    assert points[0].cell == dict(
        arm='direct', detector='small', enhancer='none', strategy='detector_only', seed=0, labels=16, size='a'
    )  # fmt: skip


def test_given_seeds_replace_those_of_the_file(read):
    assert read(seeds=[7]).seeds == [7]


def test_segmentors_are_named_as_such(read):
    arms = [dict(name='lit', segmentor='small', enhancer='PSENet', strategy='frozen')]
    matrix = read(dict(detectors=None, segmentors=BASE['detectors'], arms=arms))
    (first, *_) = matrix.points()
    assert first.cell == dict(
        arm='lit', segmentor='small', enhancer='PSENet', strategy='frozen', seed=0
    )
    product = read(dict(detectors=None, segmentors=BASE['detectors']))
    assert {point.cell['segmentor'] for point in product.points()} == {'small'}


ARM = dict(name='a', strategy='detector_only')


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        (dict(metric=None), 'no `metric`'),
        (dict(colour=1), 'unknown key `colour`'),
        (dict(detectors=dict(small=dict(start='day.py'))), 'no `config`'),
        (dict(detectors=dict(small=dict(config='gone.py'))), '`gone.py`'),
        (dict(segmentors=BASE['detectors']), '`detectors` and `segmentors`; keep one'),
        (dict(detectors=None), 'none of `detectors` and `segmentors`'),
        (dict(detectors=None, segmentors=dict(s=dict(start='day.py'))), '`segmentors.s`'),
        (dict(arms=[dict(ARM, segmentor='small')]), 'unknown key `segmentor`'),
        (dict(arms=[dict(ARM, detector='large')]), 'names the detector `large`'),
        (dict(axes=dict(segmentor=dict(values=[1]))), 'choose another'),
        (dict(strategies=['magic']), 'strategy `magic`'),
        (dict(strategies=['detector_only'], arms=[ARM]), '`arms` and `strategies`'),
        (dict(arms=[ARM, ARM]), 'called `a`'),
        (dict(arms=[dict(ARM, enhancer='Sun')]), 'names the enhancer `Sun`'),
        (dict(arms=[dict(ARM, strategy='end_to_end')]), 'is none'),
        (dict(arms=[dict(ARM, strategy='hierarchical', enhancer='Gamma')]), 'no `upstream`'),
        (dict(arms=[dict(ARM, only=dict(labels=[1]))]), '`only.labels`'),
        (dict(axes=dict(labels=dict(values=[16], draw=dict(into='x', of=8)))), 'cannot be drawn'),
        (dict(axes=dict(labels=dict(values=[16], draw=dict(of=8)))), '`into`'),
        (dict(axes=dict(seed=dict(values=[1]))), 'choose another'),
        (dict(seeds=['one']), '`seeds`'),
        (dict(compare=dict(baseline='nobody')), 'no arm'),
        (dict(compare=dict(baseline='detector_only', axis='size')), 'none of its `axes`'),
        (dict(compare=dict(baseline='detector_only', also='mAP')), '`compare.also`'),
        (dict(enhancers=dict(m=dict(fit=dict(kind='gain', dark='d')))), '`bright`'),
        (dict(enhancers=dict(m=dict(enhancer='gamma', fit=dict(kind='mean', bright='d')))), 'the fit makes'),
        (dict(enhancers=['PSENet']), 'must be a mapping'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(read, changes, sentence):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        read(changes)
    assert sentence in str(caught.value)
    assert 'matrix.yml' in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.yml'):
        read_matrix(tmp_path / 'gone.yml')
    (tmp_path / 'broken.yml').write_text('a: [1')
    with pytest.raises(ValueError, match='no YAML'):
        read_matrix(tmp_path / 'broken.yml')


@pytest.mark.parametrize(
    'arm, message',
    [
        (dict(name='a', config='day.py', strategy='frozen'), 'take `strategy` out'),
        (dict(config='day.py'), 'no `name`'),
        (dict(name='a', config='none.py'), 'The config `none.py` .* is not there'),
    ],
)
def test_an_arm_with_a_config_of_its_own_that_is_wrong_is_refused(read, arm, message):
    error = FileNotFoundError if 'not there' in message else ValueError
    with pytest.raises(error, match=message):
        read(dict(arms=[arm]))


def test_an_arm_with_a_config_of_its_own_names_an_enhancer_as_it_likes(read):
    (arm,) = read(dict(arms=[dict(name='a', config='day.py', enhancer='of its own')])).arms
    assert arm.enhancer.name == 'of its own' and arm.strategy == 'as_configured'
    assert arm.config.endswith('day.py') and arm.model.name == 'small'
