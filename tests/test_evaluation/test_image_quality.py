import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, PixelData
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from llv.evaluation.image_quality import ImageQuality
from llv.registry import DATASETS, METRICS, MODELS


def sample(prediction, reference=None, **metainfo):
    """A data sample as `EnhancementModel` returns it."""
    element = BaseDataElement(metainfo=metainfo)
    element.set_field(PixelData(data=prediction), 'pred_image', dtype=PixelData)
    if reference is not None:
        element.set_field(PixelData(data=reference), 'reference', dtype=PixelData)
    return element


def levels(seed, size=(10, 12)):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, *size), np.uint8))


def evaluate(metric, samples):
    evaluator = Evaluator(metric)
    for one in samples:
        evaluator.process([one], dict())
    return evaluator.evaluate(len(samples))


def test_a_run_of_the_enhancement_model_is_measured(tmp_path):
    from mmengine.runner import Runner

    rng = np.random.default_rng(0)
    pairs = {}
    for name, size in (('a', (14, 16)), ('b', (9, 20))):
        dark, bright = (
            rng.integers(0, 60, (*size, 3), np.uint8),
            rng.integers(0, 256, (*size, 3), np.uint8),
        )
        pairs[name] = np.minimum(dark * 3.0, 255) / 255, bright / 255
        for folder, picture in (('dark', dark), ('bright', bright)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(picture).save(tmp_path / folder / f'{name}.png')
    runner = Runner(
        model=dict(type='llv.EnhancementModel', enhancer=dict(type='llv.FixedGain', gain=3.0)),
        work_dir=str(tmp_path / 'run'),
        default_scope='mmengine',
        test_dataloader=dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
            dataset=dict(
                type='llv.PictureFolder',
                data_root=str(tmp_path),
                data_prefix=dict(img='dark', reference='bright'),
                pipeline=[
                    dict(type='llv.LoadPicture'),
                    dict(type='llv.LoadReference'),
                    dict(type='llv.PackEnhancementInputs'),
                ],
            ),
        ),
        test_cfg=dict(),
        test_evaluator=dict(type='llv.ImageQuality', metric=['psnr', 'ssim', 'rmse']),
        experiment_name='measured',
    )
    found = runner.test()
    options = dict(data_range=1.0, channel_axis=2)
    wanted = dict(
        psnr=[peak_signal_noise_ratio(y, x, data_range=1.0) for x, y in pairs.values()],
        ssim=[structural_similarity(x, y, **options) for x, y in pairs.values()],
        rmse=[np.sqrt(np.mean((x - y) ** 2)) for x, y in pairs.values()],
    )
    assert found == {
        f'quality/{name}': pytest.approx(np.mean(values), abs=1e-5)
        for name, values in wanted.items()
    }


def test_groups_have_their_own_means_and_the_average_is_over_all_pairs():
    reference = torch.zeros(3, 8, 8, dtype=torch.uint8)
    errors = dict(under=[0.1], over=[0.2, 0.4])
    samples = [
        sample(torch.full((3, 8, 8), error), reference, exposure=exposure)
        for exposure, values in errors.items()
        for error in values
    ]
    found = evaluate(ImageQuality(['rmse'], groups='exposure'), samples)
    assert found == {
        'quality/rmse': pytest.approx(0.7 / 3),
        'quality/rmse_over': pytest.approx(0.3),
        'quality/rmse_under': pytest.approx(0.1),
    }


def test_groups_that_are_numbers_have_means_in_their_order():
    reference = torch.zeros(3, 8, 8, dtype=torch.uint8)
    errors = {-2.5: [0.1, 0.3], -10.0: [0.5], -5.0: [0.4, 0.6], -4.25: [0.2]}
    samples = [
        sample(torch.full((3, 8, 8), error), reference, ev=ev)
        for ev, values in errors.items()
        for error in values
    ]
    found = evaluate(ImageQuality(['rmse'], groups='ev'), samples)
    assert found == {
        'quality/rmse': pytest.approx(2.1 / 6),
        'quality/rmse_-10.0': pytest.approx(0.5),
        'quality/rmse_-5.0': pytest.approx(0.5),
        'quality/rmse_-4.25': pytest.approx(0.2),
        'quality/rmse_-2.5': pytest.approx(0.2),
    }
    assert [name.rpartition('_')[2] for name in list(found)[1:]] == [
        '-10.0',
        '-5.0',
        '-4.25',
        '-2.5',
    ]


def test_pictures_of_an_enlarging_enhancer_are_measured_against_large_references(tmp_path):
    rng, errors = np.random.default_rng(0), {}
    bright = rng.integers(0, 256, (20, 24, 3), np.uint8)
    for stop in ('-2.5', '-5.0'):
        dark = rng.integers(0, 40, (10, 12, 3), np.uint8)
        for path, picture in ((f'LLLR/00007{stop}.png', dark), ('NLHR/X2/00007.png', bright)):
            file = tmp_path / 'Test' / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
        difference = dark.repeat(2, 0).repeat(2, 1) / 255 - bright / 255
        errors[stop] = np.sqrt(np.mean(difference**2))
    data = DATASETS.build(
        dict(
            type='llv.RELLISURDataset',
            data_root=str(tmp_path),
            subset='test',
            scale=2,
            pipeline=[
                dict(type='llv.LoadPicture'),
                dict(type='llv.LoadReference'),
                dict(type='llv.PackEnhancementInputs', meta_keys=('img_path', 'ev')),
            ],
        )
    )

    def measured(enhancer):
        model = MODELS.build(dict(type='llv.EnhancementModel', enhancer=enhancer)).eval()
        with torch.no_grad():
            samples = model.test_step(pseudo_collate([data[0], data[1]]))
        return evaluate(ImageQuality(['rmse'], 'trico', groups='ev'), samples)

    assert measured(dict(type='llv.Enlarge', scale=2, mode='nearest')) == {
        'quality/rmse': pytest.approx(np.mean(list(errors.values())), abs=1e-6),
        **{f'quality/rmse_{s}': pytest.approx(e, abs=1e-6) for s, e in errors.items()},
    }
    with pytest.raises(ValueError, match=r'-2.5.png` \(3, 10, 12\) .* \(3, 20, 24\) must have one'):
        measured(dict(type='llv.Identity'))


def test_scorers_need_no_reference_and_have_means_of_groups_too():
    samples = [
        sample(torch.full((3, 4, 4), level / 255), exposure=exposure, img_path='n.png')
        for level, exposure in ((10, 'under'), (30, 'under'), (80, 'over'))
    ]
    metric = METRICS.build(
        dict(type='llv.ImageQuality', metric=(), scorers=dict(mean='numpy:mean'), groups='exposure')
    )
    assert evaluate(metric, samples) == {
        'quality/mean': pytest.approx(40),
        'quality/mean_under': pytest.approx(20),
        'quality/mean_over': pytest.approx(80),
    }
    with pytest.raises(ValueError, match='at least one metric'):
        ImageQuality(())
    with pytest.raises(ValueError, match='`psnr` is a metric of llv'):
        ImageQuality(scorers=dict(psnr='numpy:mean'))


def test_equal_pictures_are_counted_and_left_out_of_the_mean_psnr():
    x, y = levels(0), levels(1)
    found = evaluate(ImageQuality(), [sample(x / 255, x), sample(x / 255, y)])
    wanted = peak_signal_noise_ratio(y.numpy(), x.numpy())
    assert found['quality/psnr'] == pytest.approx(wanted, abs=1e-4)
    assert found['quality/psnr_infinite'] == 1
    assert math.isfinite(found['quality/ssim'])


def test_the_protocol_is_part_of_the_config():
    metric = METRICS.build(
        dict(type='llv.ImageQuality', protocol=dict(base='erl', border=2), metric=['ssim'])
    )
    x, y = levels(0, (20, 24)), levels(1, (20, 24))
    found = evaluate(metric, [sample(x / 255, y)])
    cut = SimpleNamespace(x=x[:, 2:-2, 2:-2], y=y[:, 2:-2, 2:-2])
    import cv2

    gray = [cv2.cvtColor(v.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY) for v in (cut.x, cut.y)]
    assert found == {'quality/ssim': pytest.approx(structural_similarity(*gray), abs=1e-9)}


def test_samples_that_cannot_be_measured_are_told():
    prediction, reference = torch.rand(3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8)
    for metric, one, sentence in (
        (ImageQuality(), sample(prediction, img_path='n.png'), '`n.png` has no reference'),
        (
            ImageQuality(groups='exposure'),
            sample(prediction, reference, img_path='n.png'),
            '`n.png` has no `exposure`.*meta_keys',
        ),
        (ImageQuality(), BaseDataElement(), 'found no `pred_image`'),
    ):
        with pytest.raises(ValueError, match=sentence):
            evaluate(metric, [one])
    with pytest.raises(ValueError, match='`mse` is no known metric'):
        ImageQuality(['mse'])
