"""Genotypes of searched detectors: what is published, and what is refused."""

import pytest

from llv.search.genotypes import RUAS_DARKFACE, DetectorGenotype, detector_genotype


def test_the_published_detector_in_the_canonical_order():
    short = {'3-C': 'conv_3x3', '5-C': 'conv_5x5', '7-C': 'conv_7x7'}
    short |= {'3-2-DC': 'dilconv_3x3', '5-2-DC': 'dilconv_5x5'}
    published = (
        '7-C 7-C 7-C 3-C 7-C 3-2-DC 3-2-DC 3-2-DC 3-2-DC 3-C 3-2-DC 7-C 7-C 5-C 5-2-DC 7-C'
    ).split()
    ours = (*RUAS_DARKFACE.neck, *RUAS_DARKFACE.loc, *RUAS_DARKFACE.conf)
    assert ours == tuple(short[name] for name in published)


def test_a_name_and_a_dict_say_the_same():
    by_name = detector_genotype('ruas-darkface')
    lists = {part: list(getattr(by_name, part)) for part in ('neck', 'loc', 'conf')}
    assert detector_genotype(lists) == by_name == detector_genotype(by_name)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(neck=['conv_3x3'] * 3), '`neck` of a detector genotype has 4 names'),
        (dict(loc='conv_3'), '`loc` of a detector genotype has 6 names'),
        (dict(conf=None), '`conf` of a detector genotype has 6 names .* got None'),
        (dict(conf=['resconv_3x3'] * 6), '`conf` .* the layer `resconv_3x3`; choose from conv_1x1'),
        (dict(neck=['skip_connect'] * 4), '`neck` .* the layer `skip_connect`'),
    ],
)
def test_what_is_no_layer_of_a_detector_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        detector_genotype({**vars(RUAS_DARKFACE), **change})


@pytest.mark.parametrize('genotype', ['ruas', 5, dict(neck=['conv_3x3'] * 4), ['conv_3x3'] * 16])
def test_what_is_no_genotype_is_refused(genotype):
    with pytest.raises(ValueError, match='`genotype` must be one of ruas-darkface or a dict with'):
        detector_genotype(genotype)


def test_a_genotype_cannot_be_changed():
    with pytest.raises(AttributeError):
        RUAS_DARKFACE.neck = ('conv_1x1',) * 4
    assert isinstance(RUAS_DARKFACE, DetectorGenotype)
