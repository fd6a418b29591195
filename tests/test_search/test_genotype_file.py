"""Genotypes as files: what is read, what is refused in which words, and what is published."""

import json
import os
from pathlib import Path

import pytest

from llv.search.genotype_file import (
    join_genotypes,
    load_genotype,
    make_genotype,
    published_names,
    read_genotype,
    write_genotype,
)
from llv.search.spaces import (
    CELL_EDGES,
    HIGH_LEVEL,
    LOW_LEVEL,
    SPACES,
    SearchSpace,
    head_edges,
    neck_edges,
)

EDGES = ('extra_0', 'extra_1')
CHOSEN = dict(extra_0='conv_7x7', extra_1='dilconv_3x3_18')
GENOTYPE = make_genotype('ssd_neck', HIGH_LEVEL, CHOSEN)


def read(value, module='ssd_neck', space=HIGH_LEVEL, edges=EDGES):
    return read_genotype(value, module, space, edges)


def test_the_file_of_the_format():
    """Written out, because files outlive versions."""
    text = """{
  "llv_genotype": 1,
  "space": "high_level",
  "space_version": 1,
  "module": "ssd_neck",
  "edges": {
    "extra_0": "conv_7x7",
    "extra_1": "dilconv_3x3_18"
  },
  "macs": 5
}"""
    assert json.loads(text) == make_genotype('ssd_neck', HIGH_LEVEL, CHOSEN, macs=5)


@pytest.mark.parametrize('how', [str, Path, lambda path: json.loads(path.read_text())])
def test_what_was_written_is_read(tmp_path, how):
    path = tmp_path / 'new' / 'neck.json'
    write_genotype(path, GENOTYPE)
    assert os.listdir(path.parent) == ['neck.json']
    assert read(how(path)) == CHOSEN
    assert load_genotype(how(path)) == GENOTYPE


def test_names_in_the_order_of_the_edges():
    assert read(['conv_7x7', 'dilconv_3x3_18']) == read(tuple(CHOSEN.values())) == CHOSEN


def test_edges_come_in_the_order_of_the_module():
    swapped = {**GENOTYPE, 'edges': dict(reversed(CHOSEN.items()))}
    assert list(read(swapped)) == list(EDGES)


def test_of_several_parts_that_of_the_module_counts(tmp_path):
    head = make_genotype('ssd_head', HIGH_LEVEL, dict(loc_0='conv_1x1', conf_0='conv_3x3'))
    write_genotype(
        tmp_path / 'all.json', join_genotypes(dict(neck=GENOTYPE, bbox_head=head), macs=1)
    )
    path = tmp_path / 'all.json'
    assert read(path) == CHOSEN
    assert read(path, 'ssd_head', edges=head_edges(1)) == head['edges']


def test_equal_genotypes_of_two_modules_are_no_question():
    assert read(join_genotypes(dict(first=GENOTYPE, second=GENOTYPE))) == CHOSEN


def test_a_space_of_the_users_own():
    space = SearchSpace('mine', 3, ('conv_1x1', 'conv_3x3'))
    genotype = make_genotype('cell', space, dict(a='conv_3x3'))
    assert load_genotype(genotype) == genotype
    assert read(genotype, 'cell', space, ['a']) == dict(a='conv_3x3')
    with pytest.raises(
        ValueError, match="'conv_5x5' on the edge `a`.* choose from conv_1x1, conv_3x3"
    ):
        read({**genotype, 'edges': dict(a='conv_5x5')}, 'cell', space, ['a'])
    with pytest.raises(
        ValueError, match='`space_version=3`, but this is a `cell` of `space_version=4`'
    ):
        read(genotype, 'cell', SearchSpace('mine', 4, space.candidates), ['a'])


def test_cells_by_hand_may_hold_any_operation():
    names = ['conv_5x5', *['skip_connect'] * 6]
    assert read(names, 'scene_module', LOW_LEVEL, CELL_EDGES)['d1'] == 'conv_5x5'
    with pytest.raises(ValueError, match='There is no operation `conv_9x9`'):
        read(['conv_9x9'] * 7, 'scene_module', LOW_LEVEL, CELL_EDGES)


def changed(**changes):
    return {k: v for k, v in {**GENOTYPE, **changes}.items() if v is not None}


OTHER = make_genotype('ssd_neck', HIGH_LEVEL, dict.fromkeys(EDGES, 'conv_1x1'))


@pytest.mark.parametrize(
    'value, message',
    [
        ({}, 'The genotype is no genotype of llv, .* with the key `llv_genotype`'),
        (changed(llv_genotype=None), 'with the key `llv_genotype`'),
        (changed(llv_genotype=2), 'of the format 2, but this version of llv reads the format 1'),
        (changed(space=None), 'lacks the key `space`'),
        (changed(edges=None), 'lacks the key `edges`'),
        (changed(space='low'), "`space='low'`, but this is a `ssd_neck` of `space='high_level'`"),
        (changed(space=[1]), r'`space=\[1\]`, but this is'),
        (changed(space_version=2), 'version 2 of the space `high_level`, but this .* has version 1'),
        (
            make_genotype('ssd_neck', LOW_LEVEL, dict.fromkeys(EDGES, 'conv_1x1')),
            "`space='low_level'`, but this is a `ssd_neck` of `space='high_level'`",
        ),
        (changed(module='ssd_head'), "`module='ssd_head'`, but this is a `ssd_neck`"),
        (changed(edges={}), '`edges` of the genotype must name a candidate for each edge, but got {}'),
        (changed(edges=list(CHOSEN)), '`edges` of the genotype must name a candidate'),
        (changed(edges=dict(extra_0='conv_1x1')), 'names nothing for the edge `extra_1`'),
        (
            changed(edges={**CHOSEN, 'extra_2': 'conv_1x1'}),
            'names the edge `extra_2`, which this `ssd_neck` does not have; its edges are extra_0, extra_1',
        ),
        (
            changed(edges={**CHOSEN, 'extra_1': 'skip_connect'}),
            "has 'skip_connect' on the edge `extra_1`, which is no candidate of the space `high_level`",
        ),
        (changed(edges={**CHOSEN, 'extra_1': ['conv_1x1']}), 'no candidate of the space'),
        (['conv_1x1'], r'has 2 names \(extra_0, extra_1\), but got'),
        (['conv_1x1', 'resconv_1x1'], "`genotype` has 'resconv_1x1' on the edge `extra_1`"),
        (join_genotypes({}), '`parts` of the genotype must be genotypes by their places'),
        (join_genotypes(dict(a=changed(module='x'))), 'holds no genotype of a `ssd_neck`, only of `x`'),
        (join_genotypes(dict(a=changed(space=None))), 'The part `a` of the genotype lacks the key'),
        (dict(llv_genotype=1, parts=dict(a=3)), 'The part `a` of the genotype is no genotype'),
        (join_genotypes(dict(a=join_genotypes(dict(b=GENOTYPE)))), 'The part `a` .* has parts itself'),
        (
            join_genotypes({'neck': GENOTYPE, 'neck.inner': OTHER}),
            'holds 2 genotypes of a `ssd_neck`, at `neck`, `neck.inner`; give one of them',
        ),
    ],
)  # fmt: skip
def test_bad_genotypes_are_told_in_one_sentence(tmp_path, value, message):
    with pytest.raises(ValueError, match=message) as error:
        read(value)
    assert '\n' not in str(error.value) and not str(error.value).rstrip('.').count('. ')
    if isinstance(value, dict):  # as a file, which the sentence names
        path = tmp_path / 'bad.json'
        path.write_text(json.dumps(value))
        with pytest.raises(ValueError, match='bad.json`'):
            read(path)


@pytest.mark.parametrize(
    'text, message',
    [
        ('{"llv_genotype": 1,', 'no readable JSON'),
        ('', 'no readable JSON'),
        ('[]', 'is no genotype of llv'),
        (json.dumps(GENOTYPE).replace('extra_1', 'extra_0'), 'the key extra_0 is there twice'),
    ],
)
def test_bad_files_are_told_in_one_sentence(tmp_path, text, message):
    path = tmp_path / 'bad.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'`.*bad.json` .*{message}') as error:
        read(path)
    assert '\n' not in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / 'bad.json').write_bytes(b'\x80\x02}q\x00')
    with pytest.raises(ValueError, match='no readable JSON'):
        read(tmp_path / 'bad.json')


def test_a_file_that_is_not_there():
    with pytest.raises(
        FileNotFoundError, match='`gone/neck.json` is neither a file nor .* choose from ruas-dark'
    ):
        read('gone/neck.json')
    with pytest.raises(FileNotFoundError, match='did you mean `ruas-darkface`?'):
        read('ruas-darkfaces')


@pytest.mark.parametrize('value', [5, None, {1, 2}])
def test_what_can_be_no_genotype(value):
    with pytest.raises(
        TypeError, match='`genotype` must be a file, a dict, a list of names or one of ruas-dark'
    ):
        read(value)


def test_nothing_broken_is_written(tmp_path):
    with pytest.raises(ValueError, match='What is to be written has .* no candidate'):
        write_genotype(tmp_path / 'x.json', changed(edges=dict(extra_0='skip')))
    assert not os.listdir(tmp_path)


# ---------------------------------------------------------------- published

PUBLISHED = {
    # Table of the released code: distill and refine edges in turn
    'ruas-scene': 'SC 1-RC 3-2-RDC 3-C 3-C SC 3-C',
    'ruas-scene-detection': 'SC 1-C 1-RC 1-RC 1-RC 1-RC 3-RC',
    'ruas-noise-cvpr': '1-RC 1-RC 3-2-RDC SC 1-RC 1-RC SC',
    'ruas-noise-journal': '1-RC 3-RC 3-2-DC 1-RC 3-RC 3-C 3-RC',
}
LONG = {
    'SC': 'skip_connect', '1-C': 'conv_1x1', '3-C': 'conv_3x3', '3-2-DC': 'dilconv_3x3',
    '1-RC': 'resconv_1x1', '3-RC': 'resconv_3x3', '3-2-RDC': 'resdilconv_3x3',
}  # fmt: skip


def test_what_is_published():
    assert published_names() == sorted([*PUBLISHED, 'ruas-darkface'])
    for name in published_names():
        assert load_genotype(name)['source']


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_cells(name):
    module = 'noise_removal' if 'noise' in name else 'scene_module'
    found = read_genotype(name, module, LOW_LEVEL, CELL_EDGES)
    assert list(found.values()) == [LONG[short] for short in PUBLISHED[name].split()]


def test_the_published_detector_has_sixteen_edges():
    neck = read_genotype('ruas-darkface', 'ssd_neck', HIGH_LEVEL, neck_edges(4))
    head = read_genotype('ruas-darkface', 'ssd_head', HIGH_LEVEL, head_edges(6))
    assert len(neck) + len(head) == 16
    assert list(head)[:6] == [f'loc_{i}' for i in range(6)]


def test_a_published_name_is_no_matter_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('ruas-scene').write_text('something else')
    assert read_genotype('ruas-scene', 'scene_module', LOW_LEVEL, CELL_EDGES)


def test_the_spaces_of_table_i_in_their_order():
    """Versions stand for exactly these: a change needs a new one."""
    assert {
        name: (space.version, ' '.join(space.candidates)) for name, space in SPACES.items()
    } == dict(
        low_level=(
            1,
            'skip_connect conv_1x1 conv_3x3 dilconv_3x3 resconv_1x1 resconv_3x3 resdilconv_3x3',
        ),
        high_level=(
            1,
            'conv_1x1 conv_3x3 conv_5x5 conv_7x7 dilconv_3x3 dilconv_5x5 dilconv_7x7 '
            'dilconv_3x3_6 dilconv_3x3_12 dilconv_3x3_18',
        ),
    )
