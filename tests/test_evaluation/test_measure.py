import json
import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from llv.apis import init_enhancer
from llv.evaluation.measure import average, by_group, check_metrics, measure
from llv.evaluation.protocols import PROTOCOLS, get_protocol
from llv.utils.pictures import read_picture, to_tensor


def picture(folder, name):
    return to_tensor(read_picture(folder / 'ruas' / f'lol_{name}.png'))


def test_values_of_the_official_metrics_on_a_lol_pair(reference_dir):
    published = json.loads((reference_dir / 'erl' / 'loss_values.json').read_text())
    published = published['metrics_lol_00001_input_vs_gt']
    pair = picture(reference_dir, '00001_input'), picture(reference_dir, '00001_gt')
    papers = measure(*pair, ['psnr', 'ssim'], PROTOCOLS['erl'])
    released = measure(*pair, ['psnr', 'ssim'], PROTOCOLS['erl-released'])
    plain = measure(*pair, ['ssim'], PROTOCOLS['skimage'])
    assert papers['psnr'] == released['psnr'] == pytest.approx(published['psnr_u8'], abs=1e-9)
    assert papers['ssim'] == pytest.approx(published['ssim_gray_u8'], abs=1e-9)
    assert released['ssim'] == pytest.approx(published['ssim_u8_gauss11_rgb'], abs=1e-9)
    # there the pictures were divided by 255 in float32
    assert plain['ssim'] == pytest.approx(published['ssim_skimage_rgb_float'], abs=1e-7)


@pytest.mark.parametrize(
    ('name', 'psnr', 'ssim'), [('00001', 15.839, 0.6239), ('00271', 11.434, 0.1150)]
)
def test_the_scene_module_of_ruas_scores_what_its_official_code_does(
    reference_dir, name, psnr, ssim
):
    enhancer = init_enhancer('ruas', reference_dir / 'ruas' / 'lol.pt')
    with torch.no_grad():
        lit = enhancer(picture(reference_dir, f'{name}_input')[None]).image[0]
    target = picture(reference_dir, f'{name}_gt')
    found = measure(lit, target, ['psnr', 'ssim'], PROTOCOLS['skimage'])
    assert found == {
        'psnr': pytest.approx(psnr, abs=5.1e-4),
        'ssim': pytest.approx(ssim, abs=5.1e-5),
    }


def test_each_metric_takes_the_colours_of_the_protocol():
    x, y = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    protocol = get_protocol(dict(colour='gray', ssim_colour='rgb'))
    found = measure(x, y, ['psnr', 'rmse', 'ssim'], protocol)
    mix = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    error = ((x - y) * mix).sum(0).square().mean().sqrt().item()
    assert found['rmse'] == pytest.approx(error, abs=1e-7)
    assert found['psnr'] == pytest.approx(-20 * math.log10(error), abs=1e-5)
    x, y = (v.permute(1, 2, 0).double().numpy() for v in (x, y))
    wanted = structural_similarity(x, y, data_range=1.0, channel_axis=2)
    assert found['ssim'] == pytest.approx(wanted, abs=1e-9)


def test_infinite_psnr_is_left_out_of_the_mean_and_counted():
    rows = [dict(psnr=math.inf, ssim=1.0), dict(psnr=20.0, ssim=0.5), dict(psnr=30.0, ssim=0.6)]
    means, infinite = average(rows)
    assert (means['psnr'], means['ssim'], infinite) == (25.0, pytest.approx(0.7), 1)
    assert average(rows[:1]) == (dict(psnr=math.inf, ssim=1.0), 1)


def test_8_bit_rounding_decides_what_is_equal():
    x = torch.full((3, 8, 8), 100 / 255)
    y = x + 0.2 / 255
    assert measure(x, y, ['psnr'], PROTOCOLS['erl'])['psnr'] == math.inf
    assert np.isfinite(measure(x, y, ['psnr'], PROTOCOLS['skimage'])['psnr'])


def test_the_protocol_of_trico_is_plain_8_bit_arithmetic_over_the_whole_picture():
    generator = torch.Generator().manual_seed(0)
    x, y = (1.4 * torch.rand(3, 9, 10, generator=generator) - 0.2 for _ in range(2))
    found = measure(x, y, ['psnr', 'rmse', 'ssim'], PROTOCOLS['trico'])
    a, b = (
        [[[min(255, max(0, round(255 * v))) for v in r] for r in c] for c in z.tolist()]
        for z in (x, y)
    )
    places = [(c, i, j) for c in range(3) for i in range(9) for j in range(10)]
    error = sum((a[c][i][j] - b[c][i][j]) ** 2 for c, i, j in places) / len(places)
    similar = []
    for c in range(3):
        for top in range(3):
            for left in range(4):
                window = [(i, j) for i in range(top, top + 7) for j in range(left, left + 7)]
                p, q = ([z[c][i][j] for i, j in window] for z in (a, b))
                mp, mq = sum(p) / 49, sum(q) / 49
                pp, qq = (sum((v - m) ** 2 for v in z) / 48 for z, m in ((p, mp), (q, mq)))
                pq = sum((v - mp) * (w - mq) for v, w in zip(p, q, strict=True)) / 48
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                similar.append(
                    (2 * mp * mq + c1) * (2 * pq + c2) / ((mp**2 + mq**2 + c1) * (pp + qq + c2))
                )
    assert found == {
        'psnr': pytest.approx(20 * math.log10(255 / math.sqrt(error)), abs=1e-9),
        'rmse': pytest.approx(math.sqrt(error) / 255, abs=1e-12),
        'ssim': pytest.approx(sum(similar) / len(similar), abs=1e-9),
    }


def test_rows_are_sorted_into_groups_numbers_by_size():
    rows = [dict(psnr=float(i)) for i in range(6)]
    found = by_group([-3.0, -5.0, 'under', -3, None, -10.5], rows)
    assert list(found.items()) == [
        (-10.5, [rows[5]]),
        (-5.0, [rows[1]]),
        (-3.0, [rows[0], rows[3]]),
        ('under', [rows[2]]),
    ]


@pytest.mark.parametrize(
    ('image', 'reference', 'sentence'),
    [
        (torch.rand(3, 8, 8), None, '`night.png` has no reference, with which `psnr` compares'),
        (torch.rand(3, 8, 8), torch.rand(3, 8, 9), '`night.png` .* must have one shape'),
        (torch.full((3, 8, 8), torch.nan), torch.rand(3, 8, 8), '`night.png` holds values'),
        (torch.rand(3, 6, 8), torch.rand(3, 6, 8), '`night.png`: SSIM with its window'),
    ],
)
def test_what_cannot_be_measured_is_named(image, reference, sentence):
    with pytest.raises(ValueError, match=sentence):
        measure(image, reference, ['psnr', 'ssim'], PROTOCOLS['skimage'], 'night.png')


@pytest.mark.parametrize('names', [['psnr', 'sim'], ['psnr', 'psnr'], []])
def test_wrong_names_of_metrics_are_refused(names):
    with pytest.raises(ValueError, match='`sim` is no known metric|each once'):
        check_metrics(names)
    with pytest.raises(ValueError, match='no picture to average'):
        average([])
