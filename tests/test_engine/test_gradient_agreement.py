import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.engine.gradient_agreement import RECORDS, agreement, children, read_agreement


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.sampled_from([1, -1]))
def test_cosine_is_that_of_all_numbers_in_a_row(seed, scale, sign):
    draw = np.random.default_rng(seed)
    shapes = dict(a=(3, 2), b=(4,), c=())
    g = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    h = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    x, y = (np.concatenate([v.ravel() for v in group.values()]).astype(float) for group in (g, h))
    first = {name: torch.from_numpy(np.asarray(value)) for name, value in g.items()}
    second = {
        name: torch.from_numpy(np.asarray(value, np.float64)) * sign * scale
        for name, value in h.items()
    }
    found = agreement(first, second)
    assert found['cosine'] == pytest.approx(
        sign * (x @ y) / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-9
    )
    assert found['under_norm'] == pytest.approx(np.linalg.norm(x))
    assert found['over_norm'] == pytest.approx(scale * np.linalg.norm(y))
    assert (
        agreement(first, first)['cosine'] == pytest.approx(1)
        and agreement(first, first)['cosine'] <= 1
    )


def test_what_is_not_defined_is_none():
    one, zero = dict(a=torch.ones(2)), dict(a=torch.zeros(2))
    assert agreement(one, zero) == dict(cosine=None, under_norm=2**0.5, over_norm=0.0)
    broken = dict(a=torch.tensor([1.0, float('nan')]))
    assert agreement(one, broken) == dict(cosine=None, under_norm=2**0.5, over_norm=None)


def test_children_part_where_names_do():
    names = ['net.blocks.0.weight', 'net.blocks.0.bias', 'net.blocks.1.weight']
    assert children(names) == {'net.blocks.0': names[:2], 'net.blocks.1': names[2:]}
    assert children(['net.weight', 'net.weight.deep', 'other']) == {
        'net': ['net.weight', 'net.weight.deep'],
        'other': ['other'],
    }
    assert children(['alone.w']) == {'alone.w': ['alone.w']}


def line(iteration):
    return json.dumps(dict(iteration=iteration, cosine=0.5, pictures='x')) + '\n'


def test_records_are_read_from_a_file_or_a_folder(tmp_path):
    file = tmp_path / RECORDS
    file.write_text(line(0) + line(50) + line(100)[:-9])
    for path in (file, tmp_path):
        assert [record['iteration'] for record in read_agreement(path)] == [0, 50]
    file.write_text('')
    assert read_agreement(file) == []
    file.write_text('{"loss": 1}\n')
    with pytest.raises(ValueError, match='is no file of `llv.GradientAgreementHook`'):
        read_agreement(file)
    with pytest.raises(FileNotFoundError, match='is not there; train with'):
        read_agreement(tmp_path / 'gone')
