import numpy as np
import pytest

from llv.evaluation.detection.curves import Curve, CurveFile
from llv.visualization.detection_curves import plot_detection_curves


def run(kind='pr', names=('Cat', 'Dog'), shift=0.0, ap=0.25):
    x, y = np.array([0.1, 0.2, 0.4]) + shift, np.array([1, 0.5, 0.75])
    return CurveFile(kind, 'a run', {name: Curve(x, y, np.arange(3.0), ap) for name in names})


def test_each_class_has_axes_and_each_run_a_line_of_its_colour():
    figure = plot_detection_curves({'dark': run(), 'lit': run(shift=0.1, names=('Dog', 'Cup'))})
    assert [axes.get_title() for axes in figure.axes] == ['Cat', 'Dog', 'Cup']
    assert [len(axes.lines) for axes in figure.axes] == [1, 2, 1]
    dark, lit = figure.axes[1].lines
    assert np.allclose(dark.get_xydata(), [[0.1, 1], [0.2, 0.5], [0.4, 0.75]])
    assert np.allclose(lit.get_xydata(), [[0.2, 1], [0.3, 0.5], [0.5, 0.75]])
    assert dark.get_color() == figure.axes[0].lines[0].get_color() != lit.get_color()
    assert lit.get_color() == figure.axes[2].lines[0].get_color()
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ['dark (0.250)', 'lit (0.250)']
    assert figure.axes[0].get_xlabel() == 'recall' and figure.axes[0].get_ylabel() == 'precision'


def test_chosen_classes_and_the_end_of_the_axis():
    figure = plot_detection_curves({'a': run('roc', ap=None)}, ['Dog'], max_x=2000, title='FDDB')
    (axes,) = figure.axes
    assert axes.get_xlim() == (0, 2000) and axes.get_xlabel() == 'false positives'
    assert axes.get_title() == '' and figure.get_suptitle() == 'FDDB'
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['a']


def test_mistakes_are_told_in_a_sentence():
    with pytest.raises(ValueError, match='one kind, but have `pr`, `roc`'):
        plot_detection_curves({'a': run(), 'b': run('roc')})
    with pytest.raises(ValueError, match='one kind, but have none'):
        plot_detection_curves({})
    with pytest.raises(ValueError, match='No run has a curve of `Cow`; they have Cat, Dog'):
        plot_detection_curves({'a': run()}, ['Cow'])
    with pytest.raises(ValueError, match='hold no curve'):
        plot_detection_curves({'a': run(names=())})
