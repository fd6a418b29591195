"""Reports of small matrices, read back from their files."""

import csv
import json
import math
import shlex
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from llv.benchmark.figures import class_figures, darkness_figure, efficiency_figure
from llv.benchmark.matrix import Arm, Axis, EnhancerChoice, Matrix, Model
from llv.benchmark.report import write_report
from llv.benchmark.results import Results
from llv.utils.pictures import write_picture

pytest.importorskip('mmdet')
from llv.evaluation.detection.curves import Curve, CurveFile  # noqa: E402

AMOUNTS, SEEDS = (4, 16, 64), (0, 1, 2)
# scores lie on a straight line over the logarithm; each seed moves both arms alike
GAIN = dict(direct=0.0, hierarchical=10.0)
NONE, PSENET = EnhancerChoice('none'), EnhancerChoice('PSENet', 'psenet', 'psenet.py')


def matrix_of(folder, arms=None, axes=None, **changes):
    """A matrix of two arms, three amounts of labels and three seeds."""
    small = Model('small', 'small.py')
    path = folder / 'labels.yml'
    path.write_text('title: Labels & light\n')
    settings = dict(
        title='Labels & light',
        metric='AP50',
        arms=arms
        or [
            Arm('direct', small, NONE, 'detector_only'),
            Arm('hierarchical', small, PSENET, 'hierarchical'),
        ],
        axes=[Axis('labels', {n: {} for n in AMOUNTS})] if axes is None else axes,
        seeds=list(SEEDS),
        compare=[dict(baseline='direct', axis='labels')],
    )
    return Matrix(path, **{**settings, **changes})


def cells_of(matrix):
    return [point.cell for point in matrix.points()]


def score(cell):
    return 10 * math.log(cell['labels'], 4) + GAIN[cell['arm']] + 3 * (cell['seed'] - 1)


def record(cell, **more):
    value = score(cell)
    metrics = {'AP50': value, 'mAP': value / 2, 'AP50.disc': value + 1, 'AP50.ring': value - 1}
    return dict(
        cell=cell,
        metrics=metrics,
        iterations=150,
        minutes=0.5,
        parameters=dict(enhancer=1161, model=2000000),
        macs=dict(enhancer=2e9, model=3e9),
        milliseconds=dict(enhancer=1.0, model=3.0),
        **more,
    )


class Tables(HTMLParser):
    """The cells of all tables, and all addresses of a page."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.addresses, self.tags, self.words = [], [], [], ''
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ('src', 'href')]
        if tag == 'table':
            self.tables.append([])
        if tag == 'tr':
            self.tables[-1].append([])
        if tag in ('td', 'th'):
            self.tables[-1][-1].append('')
            self.inside = True

    def handle_endtag(self, tag):
        if tag in ('td', 'th'):
            self.inside = False

    def handle_data(self, data):
        self.words += data
        if self.inside:
            self.tables[-1][-1][-1] += data


def table(markdown, title):
    """Rows of the first table below a heading of a Markdown page."""
    lines = markdown.split(f'## {title}\n', 1)[1].splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith('|'))
    rows = []
    for line in lines[start:]:
        if not line.startswith('|'):
            break
        rows.append([cell.strip() for cell in line.strip('|').split('|')])
    return [rows[0], *rows[2:]]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    records = []
    matrix = matrix_of(folder)
    for k, cell in enumerate(cells_of(matrix)):
        home = folder / 'cells' / str(k)
        home.mkdir(parents=True)
        x = np.linspace(0, 1, 1000).tolist()
        curve = dict(x=x, y=x[::-1], score=x, ap=0.5)
        curves = dict(kind='pr', title='', curves=dict(disc=curve, ring=curve))
        (home / 'curves.json').write_text(json.dumps(curves))
        write_picture(home / 'pictures.png', np.full((8, 24, 3), 7 * k, np.uint8))
        records.append(record(cell, folder=home, curves='curves.json', pictures=['pictures.png']))
    write_report(folder / 'report', matrix, records)
    return folder / 'report'


def test_main_table_holds_means_and_intervals(whole):
    # spread 3 over three seeds: 3 · t(2) / √3 = 7.45
    assert table((whole / 'results.md').read_text(), 'AP50') == [
        ['arm', 'labels 4', 'labels 16', 'labels 64', 'seeds'],
        ['direct', '10.0 ± 7.5', '20.0 ± 7.5', '30.0 ± 7.5', '3'],
        ['hierarchical', '20.0 ± 7.5', '30.0 ± 7.5', '40.0 ± 7.5', '3'],
    ]


def test_differences_are_paired_over_seeds(whole):
    assert table((whole / 'results.md').read_text(), 'Differences to direct')[1:] == [
        ['hierarchical', '+10.0 ± 0.0', '+10.0 ± 0.0', '+10.0 ± 0.0', '3']
    ]
    found = json.loads((whole / 'results.json').read_text())['differences']
    assert [entry['mean'] for entry in found] == pytest.approx([10, 10, 10])
    assert {(entry['arm'], entry['baseline'], entry['count']) for entry in found} == {
        ('hierarchical', 'direct', 3)
    }


def test_differences_in_further_metrics_are_paired_too(tmp_path):
    also = [dict(baseline='direct', axis='labels', also=['mAP'])]
    matrix = matrix_of(tmp_path, compare=also)
    write_report(tmp_path / 'report', matrix, [record(cell) for cell in cells_of(matrix)])
    page = (tmp_path / 'report' / 'results.md').read_text()
    assert table(page, 'Differences to direct')[1][1:] == ['+10.0 ± 0.0'] * 3 + ['3']
    assert table(page, 'Differences to direct: mAP')[1][1:] == ['+5.0 ± 0.0'] * 3 + ['3']
    assert 'difference in mAP at equal seed' in page
    found = json.loads((tmp_path / 'report' / 'results.json').read_text())['differences']
    assert [(d['metric'], d['mean']) for d in found] == [('AP50', 10), ('mAP', 5)] * 3
    # without an axis the column is called after the metric
    matrix = matrix_of(tmp_path, axes=[Axis('labels', {4: {}})], compare=also)
    write_report(tmp_path / 'one', matrix, [record(cell) for cell in cells_of(matrix)])
    page = (tmp_path / 'one' / 'results.md').read_text()
    assert table(page, 'Differences to direct: mAP')[0] == ['arm', 'mAP', 'pairs']


def test_equal_amounts_are_read_off_the_baseline(whole):
    rows = table((whole / 'results.md').read_text(), 'Labels that direct needs for the same AP50')
    assert rows[1:] == [['hierarchical', '16', '64', '> 64']]


def test_classes_other_metrics_and_cost_have_their_tables(whole):
    page = (whole / 'results.md').read_text()
    assert table(page, 'AP50 by class') == [
        ['arm', 'disc', 'ring'],
        ['direct', '11.0', '9.0'],
        ['hierarchical', '21.0', '19.0'],
    ]
    assert table(page, 'Other metrics')[0] == ['arm', 'mAP']
    cost = dict(zip(*table(page, 'Size, speed and training')[:2], strict=True))
    assert cost['parameters: enhancer'] == '1,161' and cost['GMACs: model'] == '3.000'
    assert cost['enhancer of the time'] == '25 %'


def test_csv_has_a_line_for_each_cell_with_all_metrics(whole, tmp_path):
    with (whole / 'results.csv').open() as file:
        rows = list(csv.DictReader(file))
    cells = cells_of(matrix_of(tmp_path))
    assert [row['arm'] for row in rows] == [cell['arm'] for cell in cells]
    for row, cell in zip(rows, cells, strict=True):
        assert float(row['AP50']) == score(cell) and float(row['AP50.ring']) == score(cell) - 1
        assert (row['labels'], row['seed']) == (str(cell['labels']), str(cell['seed']))
        assert row['missing'] == '' and row['parameters.enhancer'] == '1161'


def test_the_page_is_one_file_with_tables_curves_pictures_and_settings(whole):
    page = Tables((whole / 'index.html').read_text())
    assert page.tables[0][1] == ['direct', '10.0 ± 7.5', '20.0 ± 7.5', '30.0 ± 7.5', '3']
    # one efficiency figure, a figure for each of two classes, a picture for each arm
    kinds = [address.split(';')[0] for address in page.addresses]
    assert kinds == ['data:image/svg+xml'] * 3 + ['data:image/jpeg'] * 2
    assert 'script' not in page.tags and 'link' not in page.tags
    for text in ('Labels & light', 'title: Labels & light', shlex.join(sys.argv), 'processor'):
        assert text in page.words
    assert 'Shown: seed 0, labels 64.' in page.words


def test_everything_is_written_again_and_knows_no_folder(whole):
    content = (whole / 'results.json').read_text()
    assert str(whole.parent) not in content
    assert not list(whole.glob('*.part'))
    found = json.loads(content)
    assert len(found['records']) == 18 and found['missing'] == []
    assert [row['mean'] for row in found['rows']] == pytest.approx([10, 20, 30, 20, 30, 40])


def test_missing_cells_are_told_everywhere(tmp_path):
    matrix = matrix_of(tmp_path)
    records = {
        (c['arm'], c['labels'], c['seed']): record(c) for c in cells_of(matrix) if c['labels'] != 16
    }
    first = records['direct', 4, 0]
    records['direct', 4, 0] = dict(cell=first['cell'], failed='RuntimeError: out of memory')
    records['hierarchical', 64, 2]['metrics']['AP50'] = float('nan')
    del records['hierarchical', 64, 1]['metrics']['AP50']
    # the order of the records does not matter
    write_report(tmp_path, matrix, list(records.values())[::-1])
    page = (tmp_path / 'results.md').read_text()
    assert '9 of 18 cells have a result' in page
    assert table(page, 'AP50')[1:] == [
        ['direct', '11.5 ± 19.1 (2 of 3)', 'missing', '30.0 ± 7.5', '2–3'],
        ['hierarchical', '20.0 ± 7.5', 'missing', '37.0 (1 of 3)', '1–3'],
    ]
    reasons = [row[1:] for row in table(page, 'Missing cells')[1:]]
    assert ['0', 'RuntimeError: out of memory'] in reasons
    assert reasons.count(['0, 1, 2', 'not run']) == 2
    assert ['1', 'its result has no `AP50`'] in reasons and ['2', 'its `AP50` is nan'] in reasons
    assert table(page, 'Differences to direct')[1:] == [
        ['hierarchical', '+10.0 ± 0.0', '–', '+10.0', '1–2']
    ]
    # a cell without the main metric counts nowhere: only seed 0 of 64 labels has one
    assert '| hierarchical | 18.5 |' in page
    with (tmp_path / 'results.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18 and sum(bool(row['missing']) for row in rows) == 9
    found = json.loads((tmp_path / 'results.json').read_text())
    assert len(found['missing']) == 9
    page = Tables((tmp_path / 'index.html').read_text())
    assert 'missing' in page.tables[0][1] and 'RuntimeError: out of memory' in page.words


def test_a_matrix_that_has_not_run_has_a_report_all_the_same(tmp_path):
    write_report(tmp_path, matrix_of(tmp_path), [])
    page = (tmp_path / 'results.md').read_text()
    assert '0 of 18 cells have a result' in page
    assert table(page, 'AP50')[1] == ['direct', 'missing', 'missing', 'missing', '0']


def two_segmentors():
    return [
        Arm(f'{name} {enhancer}', Model(name, 'x.py', kind='segmentor'), choice, 'frozen')
        for name in ('deeplab', 'pspnet')
        for enhancer, choice in (('none', NONE), ('PSENet', PSENET))
    ]


def test_segmentation_records_have_their_classes_too(tmp_path):
    # the baseline is named by its enhancer, which has an arm on each segmentor
    matrix = matrix_of(
        tmp_path, two_segmentors(), [], metric='mIoU', seeds=[0], compare=[dict(baseline='none')]
    )
    records = [
        dict(cell=cell, metrics={'mIoU': 0.5 + k / 100, 'aAcc': 0.9, 'IoU.road': 0.75})
        for k, cell in enumerate(cells_of(matrix))
    ]
    write_report(tmp_path, matrix, records)
    page = (tmp_path / 'results.md').read_text()
    assert table(page, 'mIoU') == [
        ['arm', 'mIoU', 'seeds'],
        ['deeplab none', '0.500', '1'],
        ['deeplab PSENet', '0.510', '1'],
    ]
    assert '**deeplab**' in page and '**pspnet**' in page
    assert table(page, 'IoU by class')[0] == ['arm', 'road']
    assert table(page, 'Other metrics')[0] == ['arm', 'aAcc']
    assert table(page, 'Differences to none')[1] == ['deeplab PSENet', '+0.010', '1']
    assert '| pspnet PSENet | +0.010 | 1     |' in page
    assert 'Size, speed' not in page and 'Nothing to compare' not in page


PARTS = ('dark1', 'dark2', 'dark3', 'boundary', 'interior')


def regions_of(cell, limits=(7, 20, 255), **scores):
    """A record of a segmentor with figures of regions, all equal but for `scores`."""
    metrics = {f'mIoU.{part}': scores.get(part, 40.0) for part in PARTS}
    metrics |= {
        f'pixels.{part}': share for part, share in zip(PARTS, (33, 33, 34, 10, 90), strict=True)
    }
    metrics |= {f'brightness.dark{k}': float(limit) for k, limit in enumerate(limits, 1)}
    metrics |= {'IoU.road': 80.0, 'IoU.bus': 0.6, 'IoU.dark1.road': 70.0}
    return dict(cell=cell, metrics={'mIoU': 40.0, 'mAcc': 50.0, 'mAcc.all': 49.0, **metrics})


def one_segmentor(**changes):
    deeplab = Model('deeplab', 'x.py', kind='segmentor')
    arms = [Arm('none', deeplab, NONE, 'detector_only'), Arm('PSENet', deeplab, PSENET, 'frozen')]
    return dict(
        dict(arms=arms, axes=[], metric='mIoU', seeds=[0, 1], compare=[dict(baseline='none')]),
        **changes,
    )


def test_the_parts_of_the_pictures_have_tables_and_a_figure(tmp_path):
    matrix = matrix_of(tmp_path, **one_segmentor())
    gains = {('PSENet', 0): (6.0, 1.0), ('PSENet', 1): (8.0, -3.0)}
    records = []
    for cell in cells_of(matrix):
        dark, bright = gains.get((cell['arm'], cell['seed']), (0, 0))
        # what a seed does to both arms cancels
        own = 10 * cell['seed']
        records.append(regions_of(cell, dark1=20 + own + dark, dark3=60 + own + bright))
    records[0]['metrics']['mIoU.view17'] = 41.0
    results = write_report(tmp_path, matrix, records)
    page = (tmp_path / 'results.md').read_text()
    header = ['arm', 'dark1 (0–7)', 'dark2 (8–20)', 'dark3 (21–255)', 'boundary', 'interior']
    assert table(page, 'Where it helps') == [
        header,
        ['none', '25.0', '40.0', '65.0', '40.0', '40.0'],
        ['PSENet', '32.0', '40.0', '64.0', '40.0', '40.0'],
    ]
    # t of one degree of freedom is 12.706; the two differences are 2 and 4 apart
    assert table(page, 'Where it helps: differences to none') == [
        [*header, 'pairs'],
        ['PSENet', '+7.0 ± 12.7', '+0.0 ± 0.0', '-1.0 ± 25.4', '+0.0 ± 0.0', '+0.0 ± 0.0', '2'],
    ]
    assert 'dark1 33 %, dark2 33 %, dark3 34 %, boundary 10 %, interior 90 %.' in page
    assert table(page, 'IoU by class') == [
        ['arm', 'road', 'bus'], ['none', '80.0', '0.6'], ['PSENet', '80.0', '0.6'],
    ]  # fmt: skip
    assert table(page, 'mIoU by class view') == [
        ['arm', 'view17'],
        ['none', '41.0'],
        ['PSENet', '–'],
    ]
    assert table(page, 'Other metrics')[0] == ['arm', 'mAcc']
    none, psenet = results.arms
    (axes,) = darkness_figure(results, [psenet], none, ()).axes
    (line,) = [line for line in axes.lines if line.get_label() == 'PSENet']
    assert line.get_xydata().tolist() == [[0, 7], [1, 0], [2, -1]]
    assert [text.get_text() for text in axes.get_xticklabels()][1] == 'dark2\n8–20'
    assert 'data:image/svg+xml' in (tmp_path / 'index.html').read_text()


def test_arms_that_were_given_other_pictures_are_not_said_to_share_pixels(tmp_path):
    matrix = matrix_of(tmp_path, **one_segmentor(seeds=[0]))
    limits = dict(none=(7, 20, 255), PSENet=(60, 90, 255))  # lit in its pipeline
    for differ in (False, True):
        records = [regions_of(c, limits[c['arm'] if differ else 'none']) for c in cells_of(matrix)]
        write_report(tmp_path, matrix, records)
        page = (tmp_path / 'results.md').read_text()
        assert ('not those of the same pixels' in page) == differ
        assert table(page, 'Where it helps')[0][1] == ('dark1' if differ else 'dark1 (0–7)')
    assert 'Mean IoU in percent' in page


def test_a_class_view_as_the_main_metric_has_its_classes_too(tmp_path):
    matrix = matrix_of(tmp_path, **one_segmentor(metric='mIoU.view17', seeds=[0]))
    records = [regions_of(cell) for cell in cells_of(matrix)]
    for score, record in zip((41.0, 43.5), records, strict=True):
        record['metrics']['mIoU.view17'] = score
    write_report(tmp_path, matrix, records)
    page = (tmp_path / 'results.md').read_text()
    assert table(page, 'Differences to none')[1] == ['PSENet', '+2.5', '1']
    assert table(page, 'IoU by class')[0] == ['arm', 'road', 'bus']
    assert table(page, 'Other metrics')[0] == ['arm', 'mIoU', 'mAcc']


def test_levels_of_brightness_that_differ_between_columns_stand_in_the_titles(tmp_path):
    axes = [Axis('gamma', {2: {}, 3: {}})]
    matrix = matrix_of(tmp_path, **one_segmentor(axes=axes, seeds=[0], compare=[]))
    limits = {2: (7, 20, 255), 3: (3, 9, 200)}
    write_report(tmp_path, matrix, [regions_of(c, limits[c['gamma']]) for c in cells_of(matrix)])
    page = (tmp_path / 'results.md').read_text()
    assert table(page, 'Where it helps')[0] == ['arm', *PARTS]
    assert '**gamma 3, dark1 0–3, dark2 4–9, dark3 10–200**' in page
    assert 'differences' not in page


@pytest.mark.parametrize('nothing', [float('nan'), None])
def test_what_is_no_number_breaks_nothing(tmp_path, nothing):
    matrix = matrix_of(tmp_path, **one_segmentor())
    records = [regions_of(cell, dark1=20.0 + cell['seed']) for cell in cells_of(matrix)]
    records[1]['metrics'].update(
        {'mIoU.dark1': nothing, 'IoU.bus': nothing, 'brightness.dark1': nothing}
    )
    write_report(tmp_path, matrix, records)
    page = (tmp_path / 'results.md').read_text()
    found = table(page, 'Where it helps')
    assert found[0][1] == 'dark1 (0–7)'
    assert [row[1] for row in found[1:]] == ['20.5', '21.0']
    differences = table(page, 'Where it helps: differences to none')[1]
    assert differences[1:3] == ['+0.0', '+0.0 ± 0.0'] and differences[-1] == '1–2'
    assert table(page, 'IoU by class')[2] == ['PSENet', '80.0', '0.6']
    json.loads((tmp_path / 'results.json').read_text(), parse_constant=pytest.fail)


def test_a_detector_without_the_baseline_is_named(tmp_path):
    matrix = matrix_of(
        tmp_path, two_segmentors(), [], seeds=[0], compare=[dict(baseline='pspnet none')]
    )
    records = [dict(cell=cell, metrics=dict(AP50=1.0)) for cell in cells_of(matrix)]
    write_report(tmp_path, matrix, records)
    page = (tmp_path / 'results.md').read_text()
    assert table(page, 'Differences to pspnet none')[1] == ['pspnet PSENet', '+0.000', '1']
    assert 'Nothing to compare with: deeplab.' in page


def test_several_axes_give_a_column_each_and_pairs_stay_in_their_slice(tmp_path):
    axes = [Axis('labels', {100: {}, 2: {}}), Axis('light', {'dim': {}, 'dark': {}})]
    matrix = matrix_of(tmp_path, axes=axes, seeds=[0])
    values = {
        ('direct', 'dim'): {2: 5, 100: 10},
        ('direct', 'dark'): {2: 0, 100: 1},
        ('hierarchical', 'dim'): {2: 5, 100: 8},
        ('hierarchical', 'dark'): {2: 0.5, 100: 2},
    }
    records = [
        dict(cell=cell, metrics=dict(AP50=values[cell['arm'], cell['light']][cell['labels']]))
        for cell in cells_of(matrix)
    ]
    write_report(tmp_path, matrix, records)
    page = (tmp_path / 'results.md').read_text()
    assert table(page, 'AP50')[0][1:5] == [
        'labels 2, light dim',
        'labels 2, light dark',
        'labels 100, light dim',
        'labels 100, light dark',
    ]
    differences = table(page, 'Differences to direct')[1]
    assert differences == ['hierarchical', '+0.0', '+0.5', '-2.0', '+1.0', '1']
    rows = table(page, 'Labels that direct needs for the same AP50')
    # dim: 8 lies 3/5 of the way from 5 to 10; dark: 0.5 halfway from 0 to 1, and 2 is never reached
    assert rows[1] == ['hierarchical', '2', f'{2 * 50**0.6:.3g}']
    assert '**light dark**' in page
    assert f'| hierarchical | {2 * 50**0.5:.3g}     | > 100      |' in page


def test_an_axis_of_one_value_is_said_and_no_column(tmp_path):
    matrix = matrix_of(tmp_path, axes=[Axis('labels', {16: {}})])
    write_report(tmp_path, matrix, [record(cell) for cell in cells_of(matrix)])
    page = (tmp_path / 'results.md').read_text()
    assert table(page, 'AP50')[0] == ['arm', 'AP50', 'seeds']
    assert 'Everywhere: labels 16.' in page and 'Labels that' not in page


def test_axes_that_are_no_positive_numbers_have_no_amounts(tmp_path):
    for values in ((0, 16), ('few', 'many')):
        axes = [Axis('labels', {value: {} for value in values})]
        matrix = matrix_of(tmp_path, axes=axes)
        records = [dict(cell=cell, metrics=dict(AP50=1.0)) for cell in cells_of(matrix)]
        write_report(tmp_path, matrix, records)
        assert 'Labels that' not in (tmp_path / 'results.md').read_text()
        assert ('AP50 over labels' in (tmp_path / 'index.html').read_text()) == (0 in values)


def test_a_name_that_stands_for_several_enhancers_is_several_rows():
    cells = [dict(arm='hierarchical', enhancer=e, strategy='s', seed=0) for e in ('A', 'B')]
    names = [arm.name for arm in Results('AP50', cells, []).arms]
    assert names == ['hierarchical (A, s)', 'hierarchical (B, s)']


def test_dozens_of_arms_have_a_legend_below_and_different_lines(tmp_path):
    cells = [dict(arm=f'arm {k}', detector='d', seed=0, n=n) for k in range(13) for n in (1, 2)]
    records = [dict(cell=cell, metrics=dict(AP50=float(k))) for k, cell in enumerate(cells)]
    results = Results('AP50', cells, records)
    figure = efficiency_figure(results, results.arms, results.columns, 'n')
    (axes,) = figure.axes
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == 13
    assert len(figure.legends) == 1 and axes.get_legend() is None
    for k, line in enumerate(axes.lines):
        assert line.get_xydata().tolist() == [[1, 2 * k], [2, 2 * k + 1]]
    assert axes.get_xscale() == 'log'


def test_curves_of_several_runs_are_drawn_class_by_class():
    x = np.linspace(0, 1, 1001)
    full, short = Curve(x, 1 - x, 1 - x, 0.5), Curve(x[:2], x[:2], x[:2], None)
    runs = dict(
        a=CurveFile('pr', '', dict(disc=full)), b=CurveFile('pr', '', dict(ring=short, disc=full))
    )
    (disc, name), (ring, other) = class_figures(runs)
    assert (name, other) == ('disc', 'ring')
    first, second = disc.axes[0].lines
    assert len(first.get_xdata()) == 200
    assert first.get_xydata()[[0, -1]].tolist() == [[0, 1], [1, 0]]
    # a run has one look in all classes
    (line,) = ring.axes[0].lines
    assert line.get_color() == second.get_color() != first.get_color()
    assert len(line.get_xdata()) == 2


@pytest.mark.parametrize(
    'wrong, sentence',
    [
        ('twice', 'Two results claim the cell `arm direct, detector small'),
        ('elsewhere', 'The matrix has not the cell `arm direct, detector large'),
        (
            'baseline',
            '`compare.baseline` is `frozen`, which may be `deeplab none`, `deeplab PSENet`',
        ),
    ],
)
def test_mistakes_are_told(tmp_path, wrong, sentence):
    folder = tmp_path / 'report'
    matrix = matrix_of(tmp_path)
    cell = cells_of(matrix)[0]
    records = [record(cell)] * 2
    if wrong == 'elsewhere':
        records = [record(dict(cell, detector='large'))]
    if wrong == 'baseline':
        matrix = matrix_of(tmp_path, two_segmentors(), compare=[dict(baseline='frozen')])
        records = []
    with pytest.raises(ValueError, match=sentence):
        write_report(folder, matrix, records)
    assert not folder.exists()


def test_files_that_are_gone_do_not_stop_a_report(tmp_path):
    matrix = matrix_of(tmp_path)
    cell = cells_of(matrix)[0]
    lost = record(cell, folder=tmp_path, curves='gone.json', pictures=['gone.png'])
    write_report(tmp_path / 'report', matrix, [lost])
    assert 'gone.png` is not there' in (tmp_path / 'report' / 'index.html').read_text()
