"""Tiles: weights, blends, what stays exact and what does not, memory; TriCo in tiles, and by the tool."""

import itertools
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_models.test_enhancers.test_trico import SMALL, Peak, dark
from torch import nn

from llv.models.enhancers.tiles import check_tiles, enhance_in_tiles, pieces, ramp
from llv.models.enhancers.trico.trico import TriCo

TOOL = Path(__file__).parents[3] / 'tools' / 'enhance.py'


# ---------------------------------------------------------------- laying tiles


@st.composite
def layouts(draw):
    """side, tile, overlap, multiple, reach"""
    multiple = draw(st.sampled_from([1, 2, 8]))
    tile = multiple * draw(st.integers(2, 6))
    overlap = draw(st.integers(0, tile // 2))
    reach = draw(st.integers(0, max((overlap - 1) // 2, 0)))
    return draw(st.integers(1, 150)), tile, overlap, multiple, reach


@given(layouts(), st.sampled_from([1, 2, 4]))
@settings(max_examples=60, deadline=None)
def test_weights_add_up_to_one_and_leave_out_the_borders(layout, scale):
    side, tile, overlap, multiple, reach = layout
    check_tiles(tile, overlap, multiple, reach)
    laid = pieces(*layout)
    total = torch.zeros(scale * side)
    for k, piece in enumerate(laid):
        weights = ramp(piece, scale, total)
        assert weights.min() >= 0 and weights.max() <= 1
        assert piece.start % multiple == 0 and 0 < piece.stop - piece.start <= tile
        assert tile - (piece.stop - piece.start) < (tile if len(laid) == 1 else multiple)
        if k:
            assert laid[k - 1].stop - piece.start >= overlap
            assert not weights[: scale * reach].any()
        if k + 1 < len(laid) and reach:
            assert not weights[-scale * reach :].any()
        total[scale * piece.start : scale * piece.stop] += weights
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)
    assert laid[0].start == 0 and laid[-1].stop == side
    assert len(laid) == 1 or side > tile


def test_blends_are_linear():
    """A row of 22 pixels in tiles of 10 that overlap by 4: at 0, 6 and 12. Each tile returns its own number."""
    numbers = itertools.count(1)
    row = enhance_in_tiles(
        lambda x: dict(y=torch.full_like(x, next(numbers))), torch.zeros(1, 1, 1, 22), 10, 4
    )['y'].flatten()
    blend = torch.tensor([1, 3, 5, 7]) / 8
    expected = torch.cat(
        [torch.full((6,), 1.0), 1 + blend, torch.full((2,), 2.0), 2 + blend, torch.full((6,), 3.0)]
    )
    torch.testing.assert_close(row, expected)


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        ((0, 0), 'side of a `tile` must be an integer and at least 2, but got 0'),
        ((60, 8, 8), 'must be a multiple of 8 and at least 16, but got 60'),
        ((8, 0, 8), 'must be a multiple of 8 and at least 16, but got 8'),
        ((64.0, 8), 'must be an integer and at least 2, but got 64.0'),
        ((64, 33), 'from 0 to half a tile, 32, but got 33'),
        ((64, -1), 'from 0 to half a tile, 32, but got -1'),
        ((16, 9, 8), 'from 0 to half a tile, 8, but got 9'),
        ((64, 8, 1, 4), '`reach` must be less than half of the overlap of 8, but got 4'),
    ],
    ids=str,
)
def test_tiles_that_do_not_fit_are_told_in_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        enhance_in_tiles(lambda x: dict(y=x), torch.zeros(1, 3, 8, 8), *arguments)


def test_a_result_of_another_size_is_told():
    with pytest.raises(ValueError, match=r'`y` has size \(8, 7\) for a tile of \(8, 8\)'):
        enhance_in_tiles(lambda x: dict(y=x[..., 1:]), torch.zeros(1, 3, 8, 20), 8, 2)


# ---------------------------------------------------------------- what a tile sees


class Local(nn.Module):
    """Sees at most five pixels far and doubles the size; a stride of 2 puts it on a grid of two pixels."""

    REACH = 5

    def __init__(self, stride=1):
        super().__init__()
        torch.manual_seed(0)
        self.stride = stride
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.middle = nn.Conv2d(6, 6, 3, padding=1)
        self.last = nn.Conv2d(6, 12, 3, padding=1)

    @torch.no_grad()
    def forward(self, x):
        inner = F.max_pool2d(self.first(x).relu(), self.stride)
        inner = F.interpolate(self.middle(inner).relu(), scale_factor=self.stride)
        return dict(large=F.pixel_shuffle(self.last(inner), 2), small=inner)


@pytest.mark.parametrize('size', [(50, 76), (17, 90), (90, 40), (64, 33)])
@pytest.mark.parametrize('stride', [1, 2])
def test_a_local_function_computes_the_same_in_tiles(stride, size):
    size = [n // stride * stride for n in size]
    function, pictures = Local(stride), dark(2, 3, *size)
    whole = function(pictures)
    tiled = enhance_in_tiles(function, pictures, 32, 2 * Local.REACH + 4, stride, Local.REACH)
    for name, value in whole.items():
        torch.testing.assert_close(tiled[name], value, rtol=0, atol=1e-6)
    # the borders between tiles count where nothing is left out
    near = enhance_in_tiles(function, pictures, 32, 2, stride)['large']
    assert (near - whole['large']).abs().max() > 1e-3


def test_tiles_beside_the_grid_of_a_function_with_strides_differ():
    function, pictures = Local(2), dark(1, 3, 60, 60)
    beside = enhance_in_tiles(function, pictures, 32, 15, 1, Local.REACH)['large']  # at 0, 17, 28
    assert (beside - function(pictures)['large']).abs().max() > 1e-3


def test_a_function_sees_one_tile_of_one_picture_at_a_time():
    seen = []

    def function(x):
        seen.append(tuple(x.shape))
        return dict(y=x)

    pictures = dark(2, 3, 40, 21)
    torch.testing.assert_close(enhance_in_tiles(function, pictures, 24, 4, 8)['y'], pictures)
    # below each other at 0 and 16
    assert seen == [(1, 3, 24, 21)] * 4
    seen.clear()
    small = pictures[..., :24, :]
    assert enhance_in_tiles(function, small, 24, 4, 8)['y'] is small and seen == [(2, 3, 24, 21)]


# ---------------------------------------------------------------- TriCo


def trico(scale=2, tile=None, seed=0, **options):
    """A narrow TriCo whose layers all do something."""
    torch.manual_seed(seed)
    enhancer = TriCo(scale, **SMALL, tile=tile, **options)
    with torch.no_grad():
        for parameter in enhancer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return enhancer.eval()


@pytest.mark.parametrize('scale', [1, 2, 4])
@pytest.mark.parametrize('size', [(37, 53), (32, 33), (1, 40), (70, 9)])
@torch.no_grad()
def test_any_size_is_lit_in_tiles(scale, size):
    enhancer = trico(scale, tile=32)
    pictures = dark(2, 3, *size)
    together = enhancer(pictures)
    assert together.image.shape == (2, 3, scale * size[0], scale * size[1])
    assert torch.equal(together.image, together.maps['raw'].clamp(0, 1))
    for name in ('reflectance', 'illumination', 'alpha'):
        assert together.maps[name].shape == pictures.shape
    for k in range(2):
        alone = enhancer(pictures[k : k + 1]).image
        torch.testing.assert_close(together.image[k : k + 1], alone, rtol=0, atol=1e-6)


@torch.no_grad()
def test_pictures_of_a_tile_and_training_are_those_without_tiles():
    plain, tiled = trico(), trico(tile=32)
    for size in ((32, 32), (31, 5)):
        pictures = dark(2, 3, *size)
        assert torch.equal(tiled(pictures).image, plain(pictures).image)
    picture = dark(1, 3, 40, 48)
    assert not torch.allclose(tiled(picture).image, plain(picture).image, atol=1e-4)
    assert torch.equal(tiled.train()(picture).image, plain.train()(picture).image)


@torch.no_grad()
def test_the_corner_of_a_picture_is_that_of_its_tile_alone():
    enhancer = trico(tile=32)
    picture = dark(1, 3, 75, 61)
    tiled, alone = enhancer(picture).image, enhancer(picture[..., :32, :32]).image
    # up to where the blend begins
    assert torch.equal(tiled[..., :32, :32], alone[..., :32, :32])
    # rows 48 to 74 are the last tile, filled up to 32 as the whole picture is
    alone = enhancer(picture[..., 48:, 32:]).image
    torch.testing.assert_close(tiled[..., -22:, -24:], alone[..., -22:, -24:], rtol=0, atol=1e-6)


@torch.no_grad()
def test_memory_is_that_of_a_tile(monkeypatch):
    monkeypatch.setattr('llv.models.enhancers.trico.reassembly._BYTES_CPU', 2**16)
    enhancer = trico(tile=32)
    with Peak() as one:
        enhancer(dark(1, 3, 32, 32))
    pictures = dark(2, 3, 40, 72)
    with Peak() as many:
        result = enhancer(pictures)
    results = sum(t.nbytes for t in (result.image, *result.maps.values()))
    # clamping needs a copy of a part of the results
    assert many.peak <= one.peak + 1.5 * results


def test_wrong_tiles_of_trico_are_told_when_it_is_built():
    with pytest.raises(
        ValueError, match='`tile` must be a multiple of 8 and at least 16, but got 100'
    ):
        TriCo(2, **SMALL, tile=100)
    with pytest.raises(ValueError, match='from 0 to half a tile'):
        TriCo(2, **SMALL, tile=64, tile_overlap=40)


# ---------------------------------------------------------------- seams


def scene(height, width):
    """A lit picture, (3, height, width): a sky that is smooth, below it texture, and something round."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sky = np.stack([0.5 + 0.3 * x / width, 0.55 + 0.2 * y / height, 0.8 - 0.3 * y / height])
    noise = np.random.default_rng(0).random((3, height, width), np.float32)
    ground = 0.45 + 0.2 * np.sin(x / 2.1) * np.sin(y / 3.3) + 0.25 * (noise - 0.5)
    picture = np.where(y > 0.6 * height + 9 * np.sin(x / 17), ground, sky)
    disc = (x - 0.6 * width) ** 2 + (y - 0.45 * height) ** 2 < (0.13 * width) ** 2
    picture = np.where(disc, np.array([0.9, 0.6, 0.2], np.float32)[:, None, None], picture)
    return torch.from_numpy(picture.astype(np.float32))


def darkened(lit):
    """At half the size and a twelfth of the light, with a little noise."""
    small = F.avg_pool2d(lit, 2) / 12
    generator = torch.Generator().manual_seed(1)
    return (small + 0.004 * torch.randn(small.shape, generator=generator)).clamp(0, 1)


@pytest.fixture(scope='module')
def learned():
    """A narrow TriCo after some steps on crops: the picture is lit, and its attention has moved from the start."""
    torch.manual_seed(0)
    enhancer = TriCo(2, **SMALL).train()
    lit = scene(192, 256)[None]
    low = darkened(lit)
    optimizer = torch.optim.Adam(enhancer.parameters(), lr=4e-3)
    generator = torch.Generator().manual_seed(2)
    losses = []
    for _ in range(40):
        tops = torch.randint(0, 96 - 32, (3,), generator=generator).tolist()
        lefts = torch.randint(0, 128 - 32, (3,), generator=generator).tolist()
        places = list(zip(tops, lefts, strict=True))
        batch = torch.cat([low[..., y : y + 32, x : x + 32] for y, x in places])
        wanted = torch.cat([lit[..., 2 * y : 2 * y + 64, 2 * x : 2 * x + 64] for y, x in places])
        loss = (enhancer(batch).maps['raw'] - wanted).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * losses[0]
    return enhancer.eval()


def in_tiles(learned, tile, overlap):
    enhancer = TriCo(2, **SMALL, tile=tile, tile_overlap=overlap)
    enhancer.load_state_dict(learned.state_dict())
    return enhancer.eval()


def jumps(image, axis):
    """Signed steps between neighbours along an axis, in grey levels."""
    return 255 * image.diff(dim=axis)


def worst_seam(tiled, whole, laid):
    """Largest, over all places from where a tile begins to where the one before it ends, of the mean along the border
    of |jump − jump without tiles|, in grey levels."""
    seams = []
    for axis, places in ((-2, laid[0]), (-1, laid[1])):
        difference = (jumps(tiled, axis) - jumps(whole, axis)).abs()
        along = difference.mean(dim=(0, 1, -1 if axis == -2 else -2))
        for before, behind in itertools.pairwise(places):
            first, last = 2 * behind.start, 2 * before.stop
            seams.append(along[first - 1 : last].max().item())
    return max(seams)


@torch.no_grad()
def test_seams_stay_below_one_grey_level(learned):
    low = darkened(scene(300, 380)[None])
    whole = learned(low).image
    assert 0.3 < whole.mean() < 0.8  # lit
    laid = [pieces(side, 64, 16, 8) for side in low.shape[-2:]]
    assert [len(places) for places in laid] == [3, 4]
    tiled = in_tiles(learned, 64, 16)(low).image
    seam = worst_seam(tiled, whole, laid)
    cut = worst_seam(
        in_tiles(learned, 64, 0)(low).image, whole, [pieces(n, 64, 0, 8) for n in low.shape[-2:]]
    )
    difference = 255 * (tiled - whole).abs()
    print(
        f'seam {seam:.3f}, without overlap {cut:.3f}; difference to the whole: mean {difference.mean():.3f}, '
        f'largest {difference.max():.2f} grey levels'
    )
    assert seam < 1 < cut
    # the attention sums over what is seen, so that tiles differ far from their borders, too
    middle = difference[..., 2 * 20 : 2 * 28, 2 * 20 : 2 * 28]
    assert middle.max() > 0.02


# ---------------------------------------------------------------- the tool


def test_the_tool_lights_folders_in_tiles(learned, tmp_path, monkeypatch, capsys):
    torch.save(dict(state_dict=learned.state_dict()), tmp_path / 'trico.pth')
    sizes = {'wide.png': (70, 131), 'street/small.png': (20, 33)}
    pictures = {}
    for name, (height, width) in sizes.items():
        low = darkened(scene(2 * height, 2 * width)[None])[0]
        pictures[name] = (255 * low).round().byte().permute(1, 2, 0).numpy()
        path = tmp_path / 'in' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures[name]).save(path)
    arguments = [TOOL, tmp_path / 'in', '-r', '--enhancer', 'trico', '--out', tmp_path / 'out']
    arguments += ['--options', 'scale=2', 'prior=none', 'tile=64']
    arguments += ['--weights', tmp_path / 'trico.pth']
    monkeypatch.setattr(sys, 'argv', [str(argument) for argument in arguments])
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(str(TOOL), run_name='__main__')
    printed = capsys.readouterr()
    assert leaving.value.code == 0, printed.err
    assert '2 pictures written' in printed.out and '2/2' in printed.err
    found = {str(p.relative_to(tmp_path / 'out')) for p in (tmp_path / 'out').rglob('*.png')}
    assert found == set(sizes)
    for name, (height, width) in sizes.items():
        lit = np.asarray(Image.open(tmp_path / 'out' / name))
        assert lit.shape == (2 * height, 2 * width, 3)
        given_picture = torch.from_numpy(pictures[name]).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            expected = in_tiles(learned, 64, 16)(given_picture).image[0]
        np.testing.assert_array_equal(lit, (255 * expected).round().byte().permute(1, 2, 0).numpy())


def test_the_tool_tells_wrong_tiles_in_a_sentence(tmp_path, monkeypatch, capsys):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / 'a.png')
    monkeypatch.delenv('LLV_DEBUG', raising=False)
    arguments = [TOOL, tmp_path / 'a.png', '--enhancer', 'trico', '--out', tmp_path / 'out']
    arguments += ['--options', 'tile=50']
    monkeypatch.setattr(sys, 'argv', [str(argument) for argument in arguments])
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(str(TOOL), run_name='__main__')
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert leaving.value.code == 2
    assert (
        last == 'error: The side of a `tile` must be a multiple of 8 and at least 16, but got 50.'
    )
