import numpy as np
import pytest

from llv.visualization.gradient_agreement import cosines, plot_gradient_agreement


def records(values, step=10, pictures='x', **parts):
    return [
        dict(
            iteration=k * step,
            cosine=value,
            pictures=pictures,
            **({'children': {name: dict(cosine=part[k]) for name, part in parts.items()}}),
        )
        for k, value in enumerate(values)
    ]


def lines(figure):
    """Label, points and width of the lines but the one at 0."""
    (axes,) = figure.axes
    zero, *others = axes.lines
    assert set(zero.get_ydata()) == {0}
    return [(line.get_label(), line.get_xydata().tolist(), line.get_lw()) for line in others]


def test_runs_are_drawn_as_they_were_measured():
    figure = plot_gradient_agreement(
        {'plain': [records([-0.5, -0.3, -0.1])], 'ERL': [records([0, 0.2, 0.4])]}, title='DRBN'
    )
    first, second = lines(figure)
    assert first[:2] == ('plain (mean -0.300)', [[0, -0.5], [10, -0.3], [20, -0.1]])
    assert second[0] == 'ERL (mean 0.200)'
    (axes,) = figure.axes
    assert axes.get_title() == 'DRBN' and axes.get_xlabel() == 'iteration'
    colours = {line.get_color() for line in axes.lines}
    assert len(colours) == 3


def test_seeds_of_a_label_have_a_mean_where_all_were_measured():
    seeds = [records([0.2, 0.4, 0.9]), records([0.4, None])]
    thin, other, mean = lines(plot_gradient_agreement({'ERL': seeds}))
    assert np.allclose(thin[1], [[0, 0.2], [10, 0.4], [20, 0.9]]) and other[1] == [[0, 0.4]]
    assert np.allclose(mean[1], [[0, 0.3]]) and mean[2] > thin[2] == other[2]
    assert mean[0] == 'ERL (mean 0.475)' and thin[0].startswith('_')  # not in the legend


def test_a_moving_mean_is_centred():
    values = [0, 3, 6, 0, 3]
    (line,) = lines(plot_gradient_agreement({'a': [records(values)]}, smooth=3))
    assert [y for _, y in line[1]] == pytest.approx([1.5, 3, 3, 3, 1.5])


def test_a_part_is_drawn_by_itself():
    run = records([0.1, 0.2], head=[0.5, None])
    assert cosines(run, 'head') == {0: 0.5}
    (line,) = lines(plot_gradient_agreement({'a': [run]}, part='head'))
    assert line[1] == [[0, 0.5]]


@pytest.mark.parametrize(
    'runs, options, sentence',
    [
        ({'a': [[]]}, {}, 'hold no measurement'),
        (
            {'a': [records([1])], 'b': [records([1], pictures='y')]},
            {},
            'measured on different pictures',
        ),
        ({'a': [records([1], head=[1])]}, dict(part='tail'), '`tail` was not measured.* but head;'),
        ({'a': [records([1])]}, dict(smooth=0), '`smooth` must be a whole number from 1'),
    ],
)
def test_mistakes_are_told_in_a_sentence(runs, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot_gradient_agreement(runs, **options)
