"""Genotypes by chance, and those that the study of night scenes keeps in files."""

import json
from collections import Counter
from pathlib import Path

import pytest

from llv.search.genotype_file import read_genotype
from llv.search.random_genotype import draw_genotype
from llv.search.spaces import CELL_EDGES, HIGH_LEVEL, LOW_LEVEL, head_edges

FOLDER = Path(__file__).parents[2] / 'configs' / 'night_scenes' / 'search'
PARTS = dict(
    scene=('scene_module', LOW_LEVEL, CELL_EDGES),
    denoiser=('noise_removal', LOW_LEVEL, CELL_EDGES),
    neck=('neck', HIGH_LEVEL, [f'map_{index}_0' for index in range(4)]),
    bbox_head=('ssd_head', HIGH_LEVEL, head_edges(4)),
    decode_head=('aspp_head', HIGH_LEVEL, [f'branch_{index}_0' for index in range(4)]),
)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_the_files_of_the_study_are_what_is_drawn(seed):
    found = json.loads((FOLDER / f'random-{seed}.json').read_text())
    assert found['parts'] == {place: draw_genotype(*part, seed) for place, part in PARTS.items()}


@pytest.mark.parametrize('part', PARTS.values(), ids=PARTS)
def test_a_draw_is_a_genotype_of_its_module(part):
    module, space, edges = part
    assert list(read_genotype(draw_genotype(*part, 5), module, space, edges)) == list(edges)


def test_a_draw_is_the_same_again_and_another_with_another_seed_or_module():
    def edges(seed, module='neck'):
        names = [str(number) for number in range(20)]
        return list(draw_genotype(module, HIGH_LEVEL, names, seed)['edges'].values())

    assert edges(1) == edges(1)
    assert edges(1) != edges(2) and edges(1) != edges(1, 'head')


def test_all_candidates_are_equally_likely():
    drawn = draw_genotype('neck', HIGH_LEVEL, [str(n) for n in range(5000)], 0)['edges']
    counts = Counter(drawn.values())
    assert set(counts) == set(HIGH_LEVEL.candidates)
    # 500 expected, with a deviation of 21
    assert all(400 < count < 600 for count in counts.values())
