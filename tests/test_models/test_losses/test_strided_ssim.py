import json

import numpy as np
import pytest
import torch

from llv.models.losses.ssim import ssim
from llv.models.losses.strided_ssim import StridedSSIMLoss
from llv.registry import MODELS


def test_the_published_value(reference_dir):
    folder = reference_dir / 'erl'
    pair = np.load(folder / 'eclnet_sice_synthetic.npz')
    prediction, target = (
        torch.from_numpy(pair[name]).permute(2, 0, 1)[None] for name in ('out', 'input')
    )
    results = [prediction[..., ::s, ::s] for s in (1, 2, 4)]
    published = json.loads((folder / 'loss_values.json').read_text())['drbn_total']['value']
    assert StridedSSIMLoss()(results, target).item() == pytest.approx(published, rel=1e-5)


def test_perfect_results_have_minus_their_number():
    reference = torch.rand(2, 3, 13, 10)
    results = [reference[..., ::s, ::s] for s in (1, 2, 4)]
    loss = MODELS.build(dict(type='llv.StridedSSIMLoss'))
    assert loss(results, reference).item() == pytest.approx(-3, abs=1e-5)
    assert loss(results[:1], reference).item() == pytest.approx(-1, abs=1e-5)


def test_the_reference_is_strided_and_not_averaged():
    reference = torch.zeros(1, 1, 24, 24)
    reference[..., ::2, ::2] = 1  # every second pixel is white, the mean is a quarter
    white, grey = torch.ones(1, 1, 12, 12), torch.full((1, 1, 12, 12), 0.25)
    full = ssim(reference, reference)
    loss = StridedSSIMLoss()
    assert (loss([reference, white], reference) + full).item() == pytest.approx(-1, abs=1e-5)
    assert (loss([reference, grey], reference) + full).item() > -0.9


def test_a_result_of_another_size_is_refused():
    with pytest.raises(ValueError, match='one shape'):
        StridedSSIMLoss()([torch.rand(1, 3, 8, 8), torch.rand(1, 3, 5, 4)], torch.rand(1, 3, 8, 8))
