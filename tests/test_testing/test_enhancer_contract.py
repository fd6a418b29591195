"""The checks pass on every enhancer of llv, and each breach of the contract is told by the check it belongs to."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from llv.apis import registered_enhancers
from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.testing import CHECKS, check_enhancer

SMALL = dict(
    Cascade=dict(stages=[dict(type='llv.SCI'), dict(type='llv.MeanMatch')]),
    TriCo=dict(scale=1, width=16, illumination_width=8, heads=(1, 2, 4, 8)),
)
GIVEN = dict(FECNet=dict(tolerance=2e-2))  # its phases jump by 2π on rounding errors
NAMES = sorted(
    name
    for name, kind in registered_enhancers().items()
    # `Precomputed` lights only the pictures of its folder
    if kind.__module__.startswith('llv.models') and kind.__name__ != 'Precomputed'
)


@pytest.mark.parametrize('name', NAMES)
def test_every_enhancer_of_llv_keeps_its_promises(name):
    kind = registered_enhancers()[name].__name__
    given = GIVEN.get(kind, {})
    # files are compared in tests/test_tools/test_export_onnx.py
    found = list(check_enhancer(dict(type=name, **SMALL.get(kind, {})), skip=['onnx'], **given))
    assert [f'{o.name}: {o.sentence}' for o in found if o.status == 'broken'] == []


class Good(BaseEnhancer):
    """What the broken ones below are made of: two convolutions and a gain."""

    receptive_field = 5

    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        self.convs = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1)
        )
        self.load_weights()

    def enhance(self, images):
        gain = 1 + self.convs(images).sigmoid()
        return Enhancement((gain * images).clamp(0, 1), dict(gain=gain))

    def loss(self, enhancement, images, references=None):
        return dict(loss_level=(enhancement.image.mean() - 0.5).square())


class BareTensor(Good):
    def enhance(self, images):
        return images


class Unclamped(Good):
    def enhance(self, images):
        return Enhancement(images * (2 + self.convs(images).sigmoid()))


class Divides(Good):
    def enhance(self, images):
        return Enhancement((images / images.amax(1, keepdim=True)).clamp(0, 1))


class Halves(Good):
    def enhance(self, images):
        return Enhancement(super().enhance(images).image[..., ::2])


class Reflects(Good):
    def enhance(self, images):
        padded = nn.functional.pad(images, (2, 2, 2, 2), mode='reflect')
        return Enhancement(super().enhance(padded).image[..., 2:-2, 2:-2])


class ListOfMaps(Good):
    def enhance(self, images):
        return Enhancement(super().enhance(images).image, dict(gains=[1.0]))


class OneMap(Good):
    def enhance(self, images):
        return Enhancement(super().enhance(images).image, dict(gain=torch.ones(1, 3)))


class BatchMean(Good):
    receptive_field = None

    def enhance(self, images):
        return Enhancement((super().enhance(images).image * (1 - images.mean())).clamp(0, 1))


class InPlace(Good):
    def enhance(self, images):
        return Enhancement(super().enhance(images.mul_(0.5)).image)


class Noisy(Good):
    def enhance(self, images):
        return Enhancement((super().enhance(images).image + 0.1 * torch.rand(1)).clamp(0, 1))


class OwnForward(Good):
    def forward(self, images):
        return self.enhance(images.clamp(-1, 0.9).abs())


class Root(Good):
    def enhance(self, images):
        return Enhancement(super().enhance(images).image.sqrt())


class Unused(Good):
    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        self.spare = nn.Parameter(torch.ones(2))


class NamedLevel(Good):
    def loss(self, enhancement, images, references=None):
        return dict(level=enhancement.image.mean())


class NoMean(Good):
    def loss(self, enhancement, images, references=None):
        return dict(loss_level=enhancement.image)


class LogOfZero(Good):
    def loss(self, enhancement, images, references=None):
        return dict(loss_level=(enhancement.image * 0).mean().log())


class PlainTensor(Good):
    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        self.factor = torch.rand(3, 1, 1)


class ForgetsWeights(Good):
    def __init__(self, weights: str | None = None):
        BaseEnhancer.__init__(self, weights)
        self.convs = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))


class NoWeights(Good):
    def __init__(self):
        super().__init__()


class Lambda(Good):
    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        self.curve = lambda x: x


class SeesFarther(Good):
    receptive_field = 3


class EvenField(Good):
    receptive_field = 4


class LooksAtValues(Good):
    def enhance(self, images):
        if images.mean() > 0.9:
            return Enhancement(images + 0 * super().enhance(images).image)
        return super().enhance(images)


BREACHES = [
    (BareTensor, 'result', '`enhance` returned Tensor; end it'),
    (Unclamped, 'result', r'white picture gives values from .* clamp `image`'),
    (Divides, 'result', 'A black picture gives NaN or infinity'),
    (Halves, 'result', r'give `image` of shape \(6, 3, 32, 23\); at `scale = 1` it is'),
    (Reflects, 'sizes', r'Pictures of 1×1 pixels raise RuntimeError .*set `minimum_size`'),
    (ListOfMaps, 'maps', 'The map `gains` is list'),
    (OneMap, 'maps', r'The map `gain` has the shape \(1, 3\) for 6 pictures'),
    (BatchMean, 'batches', 'picture in a batch differs by .* never over the batch'),
    (InPlace, 'repeats', 'changed in place; work on copies'),
    (Noisy, 'repeats', 'lit otherwise the second time'),
    (OwnForward, 'values', 'override `enhance`, not `forward`'),
    (Root, 'gradients', 'holds NaN or infinity on black'),
    (Unused, 'gradients', '`spare` has no part in the picture'),
    (NamedLevel, 'loss', '`loss` returned `level`; only names'),
    (NoMean, 'loss', '`loss_level` is no scalar'),
    (LogOfZero, 'loss', '`loss_level` is -inf'),
    (PlainTensor, 'checkpoints', r"`factor` is in no checkpoint.*register_buffer\('factor'"),
    (ForgetsWeights, 'checkpoints', r'end the constructor with `self.load_weights\(\)`'),
    (NoWeights, 'checkpoints', 'takes no `weights`; add'),
    (Lambda, 'copies', '`pickle` raises .*keep lambdas'),
    (SeesFarther, 'receptive_field', 'farther away than `receptive_field = 3` says'),
    (EvenField, 'receptive_field', '`receptive_field` is 4; it is an odd number'),
    (LooksAtValues, 'onnx', 'cannot be exported to ONNX: what it computes depends on the values'),
]  # fmt: skip


def outcomes(kind, checks):
    skip = [name for name in CHECKS if name not in checks]
    return [o for o in check_enhancer(dict(type=kind), skip=skip) if o.name in checks]


def test_what_the_broken_ones_are_made_of_is_sound():
    assert {o.status for o in outcomes(Good, list(CHECKS))} == {'kept'}


@pytest.mark.parametrize(
    ('kind', 'check', 'words'), BREACHES, ids=lambda value: getattr(value, '__name__', '')
)
def test_a_breach_is_told_in_a_sentence(kind, check, words):
    (found,) = outcomes(kind, [check])
    assert found.status == 'broken'
    assert re.search(words, found.sentence)
    assert '\n' not in found.sentence


def test_the_page_quotes_what_is_said():
    page = Path(__file__).parents[2] / 'docs' / 'new_enhancer.md'
    table = page.read_text(encoding='utf-8').partition('| what is written | what is said |')[2]
    said = re.findall(r'^\| .*`.* \| (\S.*) \|$', table.partition('\n\n')[0], flags=re.MULTILINE)
    kinds = (BareTensor, Unclamped, BatchMean, Root, ForgetsWeights, PlainTensor)
    checks = {kind: check for kind, check, _ in BREACHES}
    for kind, sentence in zip(kinds, said, strict=True):
        (found,) = outcomes(kind, [checks[kind]])
        assert re.fullmatch(re.escape(sentence).replace('…', '.+'), found.sentence), found.sentence


def test_what_has_nothing_to_check_is_skipped_with_the_reason():
    (found,) = outcomes('llv.FixedGain', ['loss'])
    assert found.status == 'skipped' and 'no scene loss' in found.sentence
    (found,) = outcomes('llv.CLAHE', ['gradients'])
    assert found.status == 'skipped' and 'Nothing of it can learn' in found.sentence


def test_the_global_state_of_random_numbers_does_not_decide():
    first = outcomes(Good, ['batches', 'receptive_field'])
    torch.manual_seed(99)
    assert outcomes(Good, ['batches', 'receptive_field']) == first


def test_an_unknown_check_is_told():
    with pytest.raises(ValueError, match='There is no check `speed`; there are `result`'):
        list(check_enhancer(dict(type='llv.Identity'), skip=['speed']))
