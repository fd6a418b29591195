"""Gammas make pictures darker or brighter in 8 bits."""

import numpy as np
import pytest

from llv.datasets.transforms.render_exposure import RenderExposure
from llv.registry import TRANSFORMS

EVERY = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)


def render(picture, **options):
    return RenderExposure(**options)(dict(img=picture))['img']


@pytest.mark.parametrize('gamma', [0.25, 0.5, 1.6, 4.0])
def test_values_are_those_of_the_formula_in_float(gamma):
    values = EVERY / 255
    inverted = np.rint(255 * (1 - (1 - values) ** gamma))
    power = np.rint(255 * values ** (1 / gamma))
    assert np.abs(render(EVERY, gamma=gamma) - inverted).max() == 0
    assert np.abs(render(EVERY, gamma=gamma, form='power') - power).max() == 0


@pytest.mark.parametrize('form', ['inverted', 'power'])
def test_low_gammas_are_dark_and_one_changes_nothing(form):
    means = [render(EVERY, gamma=gamma, form=form).mean() for gamma in (0.25, 0.5, 1, 2, 4)]
    assert means == sorted(means) and len(set(means)) == 5
    assert (render(EVERY, gamma=1, form=form) == EVERY).all()
    for gamma in (0.25, 4):  # black stays black, white stays white
        assert render(EVERY, gamma=gamma, form=form)[[0, -1], [0, -1]].tolist() == [
            [0] * 3,
            [255] * 3,
        ]


def test_the_reference_and_the_source_stay_as_they_are():
    picture, reference = EVERY.copy(), EVERY.copy()
    results = TRANSFORMS.build(dict(type='llv.RenderExposure', gamma=0.5))(
        dict(img=picture, reference=reference)
    )
    assert results['img'].dtype == np.uint8 and results['img'].shape == EVERY.shape
    assert (picture == EVERY).all() and results['reference'] is reference
    for grey in (EVERY[..., :1], EVERY[..., 0]):
        assert render(grey, gamma=0.5).shape == grey.shape


@pytest.mark.parametrize('options', [dict(gamma=0), dict(gamma=-1), dict(gamma=float('nan'))])
def test_a_gamma_must_be_above_zero(options):
    with pytest.raises(ValueError, match='`gamma` must be a number above 0'):
        RenderExposure(**options)


def test_unknown_forms_and_other_types_are_refused():
    with pytest.raises(ValueError, match="`form` must be 'inverted' or 'power'"):
        RenderExposure(2, form='log')
    with pytest.raises(TypeError, match='8-bit pictures'):
        render(EVERY / 255, gamma=2)
