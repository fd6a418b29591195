"""Pictures of genotypes: what they say, not how they look."""

import pytest
from matplotlib.patches import FancyArrowPatch

from llv.search.genotype_file import make_genotype
from llv.search.spaces import HIGH_LEVEL, LOW_LEVEL, SearchSpace
from llv.visualization import plot_cell, plot_choices
from llv.visualization.genotypes import short_name


def test_short_names_are_those_of_table_i():
    names = [*LOW_LEVEL.candidates, *HIGH_LEVEL.candidates]
    assert [short_name(name) for name in names] == (
        'SC 1-C 3-C 3-2-DC 1-RC 3-RC 3-2-RDC '
        '1-C 3-C 5-C 7-C 3-2-DC 5-2-DC 7-2-DC 3-6-DC 3-12-DC 3-18-DC'
    ).split()
    assert short_name('something') == 'something'


def test_a_cell_shows_its_operations_and_its_wiring(tmp_path):
    figure = plot_cell('ruas-noise-cvpr', title='noise removal')
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    operations = sorted(text for text in texts if text in ('SC', '1-RC', '3-2-RDC'))
    assert operations == sorted('1-RC 1-RC 3-2-RDC SC 1-RC 1-RC SC'.split())
    # seven operations, four distilled parts into the fusion, and the result
    assert sum(isinstance(patch, FancyArrowPatch) for patch in axes.patches) == 12
    for suffix in ('svg', 'png'):
        figure.savefig(tmp_path / f'cell.{suffix}')
        assert (tmp_path / f'cell.{suffix}').stat().st_size > 1000


def test_seven_names_are_a_cell():
    texts = [text.get_text() for text in plot_cell(['conv_3x3'] * 7).axes[0].texts]
    assert texts.count('3-C') == 7
    with pytest.raises(ValueError, match='A cell has seven edges'):
        plot_cell(['conv_3x3'] * 6)
    with pytest.raises(ValueError, match='no operation `conv3x3`; did you mean `conv_3x3`'):
        plot_cell(['conv3x3'] * 7)
    with pytest.raises(ValueError, match='draw others with `plot_choices`'):
        plot_cell('ruas-darkface')


def test_choices_mark_one_candidate_an_edge():
    figure = plot_choices('ruas-darkface')
    neck, head = figure.axes
    assert neck.get_title(loc='left') == 'neck (ssd_neck)'
    columns = [int(line.get_xdata()[0]) for line in neck.lines]
    assert [HIGH_LEVEL.candidates[column] for column in columns] == [*['conv_7x7'] * 3, 'conv_3x3']
    assert [label.get_text() for label in head.get_yticklabels()][::6] == ['loc_0', 'conf_0']
    assert len(head.lines) == 12


def test_weights_are_the_shades():
    weights = [[1 / 7] * 6 + [0.5]] * 7
    (axes,) = plot_choices('ruas-scene', weights).axes
    assert axes.images[0].get_array().tolist() == weights
    with pytest.raises(
        ValueError, match='`weights` of `scene_module` must have 7 rows of 7 numbers'
    ):
        plot_choices('ruas-scene', weights[:3])


def test_a_space_that_llv_does_not_know_shows_what_was_chosen():
    space = SearchSpace('mine', 1, ('conv_1x1', 'conv_3x3', 'conv_5x5'))
    genotype = make_genotype('cell', space, dict(a='conv_5x5', b='conv_1x1', c='conv_5x5'))
    (axes,) = plot_choices(genotype).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ['5-C', '1-C']
