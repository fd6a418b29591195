import numpy as np
import pytest

from llv.visualization.hyper_variables import plot_hyper_variables


def records(stages):
    return [
        {
            'step': step, 'loss': 5.0 - step, 'upper_loss': 6.0 - step, 'stage': stage,
            'hyper/srl': 1 + 0.1 * step, 'hyper/decoy': 1 - 0.1 * step,
        }
        for step, stage in enumerate(stages)
    ]  # fmt: skip


def test_hyper_variables_and_objectives_are_drawn_over_the_iterations():
    figure = plot_hyper_variables([dict(step=9, loss=1.0), *records([1, 1, 2, 2])], 'TriCo')
    left, right = figure.axes
    assert [line.get_label() for line in left.lines[:2]] == ['luminance 1.3', 'decoy 0.7']
    assert np.allclose(left.lines[0].get_xydata(), [[s, 1 + 0.1 * s] for s in range(4)])
    assert np.allclose(right.lines[0].get_ydata(), [5, 4, 3, 2])
    assert np.allclose(right.lines[1].get_ydata(), [6, 5, 4, 3])
    # the end of the first stage, in both
    assert [axes.lines[-1].get_xdata()[0] for axes in (left, right)] == [1, 1]
    assert figure.get_suptitle() == 'TriCo'


def test_values_that_a_log_repeats_are_not_drawn():
    left, right = plot_hyper_variables(records([1, 1, 0, 0])).axes
    assert np.allclose(right.lines[1].get_xdata(), [0, 1])
    assert len(plot_hyper_variables(records([1, 1])).axes[0].lines) == 2  # no end yet
    assert len(plot_hyper_variables(records([2, 2])).axes[0].lines) == 2  # no first stage


def test_a_log_of_another_training_is_one_sentence():
    with pytest.raises(ValueError, match='holds no hyper-variables'):
        plot_hyper_variables([dict(step=1, loss=2.0)])
