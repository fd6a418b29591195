"""Figures that a function of the user gives."""

import math

import numpy as np
import pytest
import torch

from llv.evaluation.measure import measure
from llv.evaluation.protocols import get_protocol
from llv.evaluation.scorers import load_scorers, score


def test_a_scorer_sees_the_picture_of_the_protocol_in_256_levels():
    seen = []

    def brightness(picture):
        seen.append(picture)
        return np.float32(picture.mean())

    image = torch.tensor([-0.3, 0.1, 0.5, 0.7, 2.0]).view(1, 1, 5).repeat(3, 4, 1)
    image[2] *= 0.9
    found = measure(image, None, (), get_protocol(dict(border=1)), scorers={'bright': brightness})
    (picture,) = seen
    red = [round(255 * value) for value in (0.1, 0.5, 0.7)]
    blue = [round(255 * 0.9 * value) for value in (0.1, 0.5, 0.7)]
    assert (picture.shape, picture.dtype, picture.flags.c_contiguous) == ((2, 3, 3), np.uint8, True)
    assert picture[0].tolist() == [[r, r, b] for r, b in zip(red, blue, strict=True)]
    assert found == {'bright': pytest.approx((2 * sum(red) + sum(blue)) / 9, rel=1e-6)}
    assert type(found['bright']) is float


def test_what_a_scorer_does_to_its_picture_the_next_one_does_not_see():
    def painter(picture):
        picture[:] = 0
        return 0

    found = score(torch.ones(3, 2, 2), dict(first=painter, second=np.mean))
    assert found == dict(first=0, second=255)


def test_figures_of_scorers_stand_beside_those_of_metrics():
    x, y = torch.full((3, 8, 8), 0.2), torch.full((3, 8, 8), 0.4)
    found = measure(x, y, ['rmse'], get_protocol('trico'), scorers={'top': np.max})
    assert found == {'rmse': pytest.approx(0.2), 'top': 51}
    assert list(found) == ['rmse', 'top']


def test_scorers_are_imported_by_name(tmp_path, monkeypatch):
    (tmp_path / 'given_scores.py').write_text(
        'class Judge:\n'
        '    @staticmethod\n'
        '    def score(picture):\n'
        '        return int(picture[0, 0, 0])\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    scorers = load_scorers(dict(metaiqa='given_scores:Judge.score', mean='numpy:mean'))
    assert scorers['mean'] is np.mean
    assert score(torch.full((3, 2, 2), 7 / 255), scorers) == dict(metaiqa=7, mean=7)
    assert load_scorers(None) == {}


@pytest.mark.parametrize(
    ('scorers', 'kind', 'sentence'),
    [
        (dict(metaiqa='metaiqa.pkl'), ValueError, '`metaiqa.pkl`, but must be `package.module:'),
        (dict(metaiqa='numpy:'), ValueError, 'must be `package.module:function`'),
        (
            dict(metaiqa='no_such_package.of.mine:score'),
            ImportError,
            'The scorer `metaiqa` cannot be imported from `no_such_package.of.mine` .*PYTHONPATH',
        ),
        (dict(metaiqa='numpy:no_score'), ValueError, '`numpy`, which has no `no_score`'),
        (
            dict(metaiqa='numpy:pi'),
            TypeError,
            "`metaiqa` must be a function .* but 'numpy:pi' is none",
        ),
        (dict(metaiqa=3), TypeError, '`metaiqa` must be a function .* but 3 is none'),
        (dict(psnr=np.mean), ValueError, '`psnr` is a metric of llv; choose another name'),
        ({'': np.mean}, ValueError, 'is no name of a scorer'),
    ],
)
def test_scorers_that_cannot_be_had_are_named(scorers, kind, sentence):
    with pytest.raises(kind, match=sentence):
        load_scorers(scorers, taken=['psnr'])


@pytest.mark.parametrize(
    'result', [None, math.nan, math.inf, 'good', [0.5], np.ones(2), torch.ones(2, 2)]
)
def test_a_score_that_is_no_finite_number_is_told_with_the_picture(result):
    image = torch.rand(3, 4, 4)
    with pytest.raises(ValueError, match='^`n.png`: The scorer `iqa` returned .* no finite number'):
        measure(image, None, (), get_protocol('trico'), 'n.png', dict(iqa=lambda picture: result))
