"""The division of ACDC's night pictures in the numbers of RUAS."""

import hashlib
import random

import pytest

from llv.datasets.splits.acdc import ACDC_PROTOCOLS, acdc_subset

# names made up in the form of the official ones
STEMS = [f'GOPR{record:04d}_frame_{frame:06d}' for record in range(11) for frame in range(46)]
# SHA-256 of the sorted names, a line each: a change of the rule changes published results
DIGESTS = {
    'train': 'eb3a6926fa4ae7da9b2974b2954a872c2e508f271df9cfc12f67c4bdf2c78890',
    'test': 'ec1285f4081e0697a89b77d4e31ddce9239e5545c21609ec800a26a75e4c4686',
}


def test_subsets_are_disjoint_complete_and_of_the_published_size():
    parts = {name: acdc_subset('acdc_night_ruas', name, STEMS) for name in ('train', 'test')}
    assert {name: len(part) for name, part in parts.items()} == ACDC_PROTOCOLS['acdc_night_ruas']
    assert (len(parts['train']), len(parts['test'])) == (400, 106)
    assert parts['train'] | parts['test'] == {stem.lower() for stem in STEMS}


@pytest.mark.parametrize('subset', DIGESTS)
def test_order_and_case_of_names_do_not_matter_and_the_rule_stays(subset):
    part = acdc_subset('acdc_night_ruas', subset, STEMS)
    shuffled = random.Random(0).sample(STEMS, len(STEMS))
    assert part == acdc_subset('acdc_night_ruas', subset, (stem.upper() for stem in shuffled))
    text = ''.join(f'{stem}\n' for stem in sorted(part))
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[subset]


def test_seeds_divide_differently():
    assert acdc_subset('acdc_night_ruas', 'test', STEMS) != acdc_subset(
        'acdc_night_ruas', 'test', STEMS, seed=1
    )


@pytest.mark.parametrize(
    'stems, found', [(STEMS[1:], 505), ([*STEMS, 'GOPR9999_frame_000000'], 507)]
)
def test_another_number_of_pictures_is_refused(stems, found):
    with pytest.raises(ValueError, match=f'506 .* found {found}: .*`ann_file`'):
        acdc_subset('acdc_night_ruas', 'train', stems)


def test_a_name_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match='twice'):
        acdc_subset('acdc_night_ruas', 'train', [*STEMS[1:], STEMS[7]])
