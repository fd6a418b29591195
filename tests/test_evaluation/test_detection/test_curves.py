import json

import numpy as np
import pytest

from llv.evaluation.detection.curves import Curve, CurveFile, read_curves, write_curves


def curve(x, y, ap=None):
    return Curve(np.array(x, float), np.array(y, float), np.linspace(1, 0, len(x)), ap)


def test_a_file_gives_back_what_was_written_in_full_precision(tmp_path):
    file = tmp_path / 'new' / 'a.json'
    written = curve([1 / 3, 2 / 3, 1], [1, 2 / 3, 0.7], ap=1 / 7)
    write_curves(file, 'pr', 'a title', dict(Cat=written, Dog=curve([], [])))
    read = read_curves(file)
    assert (read.kind, read.title, list(read.curves)) == ('pr', 'a title', ['Cat', 'Dog'])
    for name in ('x', 'y', 'score'):
        assert np.array_equal(getattr(read.curves['Cat'], name), getattr(written, name))
    assert read.curves['Cat'].ap == 1 / 7 and read.curves['Dog'].ap is None
    assert json.loads(file.read_text())['curves']['Cat']['ap'] == 1 / 7


def test_corners_keep_the_drawn_line():
    # down a vertical piece, along a rise, down again
    x = [0.5, 0.5, 0.5, 0.5, 0.75, 1, 1, 1]
    y = [1, 0.5, 0.4, 0.3, 0.4, 0.5, 0.4, 0.3]
    short = curve(x, y).corners()
    assert short.x.tolist() == [0.5, 0.5, 0.75, 1, 1]
    assert short.y.tolist() == [1, 0.3, 0.4, 0.5, 0.3]
    assert short.score.tolist() == [np.linspace(1, 0, 8)[i] for i in (0, 3, 4, 5, 7)]
    # a horizontal piece, as ROC curves have them
    assert curve([1, 2, 3, 4], [0.5, 0.5, 0.5, 0.6]).corners().x.tolist() == [1, 3, 4]


def test_mistakes_are_told_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='`kind` must be'):
        write_curves(tmp_path / 'a.json', 'det', '', {})
    with pytest.raises(ValueError, match='`Cat` must have one length'):
        CurveFile('pr', '', dict(Cat=Curve(np.zeros(2), np.zeros(3), np.zeros(2))))
    with pytest.raises(ValueError, match='finite numbers'):
        write_curves(tmp_path / 'a.json', 'roc', '', dict(Cat=curve([0, np.nan], [0, 1])))
    with pytest.raises(FileNotFoundError, match='check the path'):
        read_curves(tmp_path / 'gone.json')
    for text in ('no json', '[]', '{"curves": {"a": {}}}'):
        (tmp_path / 'bad.json').write_text(text)
        with pytest.raises(ValueError, match='holds no curves'):
            read_curves(tmp_path / 'bad.json')
