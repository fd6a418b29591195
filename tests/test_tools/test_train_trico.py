"""TriCo's configs through `tools/train.py`, shortened and small; what cannot be trained is one sentence."""

import json

import pytest
import torch
from test_datasets.test_enhancement import trees

from llv.utils.checkpoint import load_state_dict

pytest.importorskip('mmdet')

STOPS = ('-2.5', '-5.0')
SMALL = (
    'model.enhancer.prior=none',
    'model.enhancer.scene_loss.perceptual=None',
    'model.enhancer.width=16',
    'model.enhancer.illumination_width=8',
    'model.enhancer.blocks=(1,1,1,1)',
    'model.enhancer.heads=(1,2,2,2)',
)
LOADERS = ('train_dataloader', 'train_cfg.upper_dataloader', 'val_dataloader', 'test_dataloader')


@pytest.fixture(scope='module')
def rellisur(tmp_path_factory):
    scenes = {f'{number:05d}': STOPS for number in range(6)}
    root = tmp_path_factory.mktemp('rellisur')
    return trees.rellisur(root, (17, 20), Train=scenes, Val={'7': STOPS}, Test={'8': STOPS})


@pytest.fixture
def train(call_tool, rellisur, tmp_path):
    """Runs a config for three iterations of each stage; returns the exit status and what it wrote to stderr."""

    def run(data, *options, root=rellisur, crop=16, small=SMALL):
        short = [
            *(f'{loader}.dataset.data_root={root}' for loader in LOADERS),
            *(f'{loader}.num_workers=0' for loader in LOADERS),
            *(f'{loader}.persistent_workers=False' for loader in LOADERS),
            *(f'{loader}.batch_size=2' for loader in LOADERS[:2]),
            *(f'{loader}.dataset.pipeline.2.size={crop}' for loader in LOADERS[:2]),
            'train_cfg.max_iters=6',
            'train_cfg.s1_iters=3',
            'train_cfg.val_interval=6',
            'param_scheduler.0.begin=3',
            'param_scheduler.0.end=6',
            'param_scheduler.0.periods=[1,2]',
            'default_hooks.checkpoint.interval=6',
            'default_hooks.logger.interval=1',
            'log_processor.window_size=1',
        ]
        config = f'configs/trico/trico_{data}.py'
        folder = ['--work-dir', tmp_path / 'run', '--cfg-options']
        return call_tool('train', config, *folder, *short, *small, *options)

    return run


@pytest.mark.parametrize('data', ['rellisur-x2', 'rellisur-x4', 'night-coupled'])
def test_config_runs_through_both_stages(train, tmp_path, data):
    status, error = train(data)
    assert status == 0, error
    (file,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    steps = [line for line in lines if 'stage' in line]
    assert [line['stage'] for line in steps] == [1, 1, 1, 2, 2, 2]
    names = [f'hyper/{name}' for name in ('srl', 'c', 'ssim', 'tv')]
    weights = [[line[name] for name in names] for line in steps]
    # Adam's first steps are of about the size of their rate
    rate = 5e-3 if data == 'night-coupled' else 1e-4
    for before, after in zip([[1.0] * 4, *weights], weights[:3], strict=False):
        moved = [abs(a - b) for a, b in zip(after, before, strict=True)]
        assert all(0.05 * rate < step < 1.5 * rate for step in moved)
    assert weights[2] == weights[3] == weights[4] == weights[5]
    assert all(0 < line['coupling'] for line in steps)
    assert lines[-1]['quality/psnr'] == pytest.approx(
        (lines[-1]['quality/psnr_-2.5'] + lines[-1]['quality/psnr_-5.0']) / 2
    )
    state = load_state_dict(tmp_path / 'run' / 'iter_6.pth')
    kept = [state[f'enhancer.scene_loss.hyper.{name[6:]}'].item() for name in names]
    assert kept == pytest.approx(weights[-1], abs=1e-6)


def test_a_scale_without_a_head_is_refused(train):
    status, error = train('rellisur-x2', 'model.enhancer.scale=3')
    assert status == 2 and error.count('\n') == 1
    assert '`scale` must be 1, 2 or 4' in error and 'got 3' in error


def test_pairs_that_do_not_differ_by_the_factor_are_named(train, tmp_path):
    """References of the wrong size in the folder, and a data set of another scale than the enhancer's."""
    scenes = {f'{number:05d}': STOPS for number in range(6)}
    root = trees.rellisur(tmp_path / 'wrong', (17, 20), (1, 4), Train=scenes)
    (root / 'Train/NLHR/X1').rename(root / 'Train/NLHR/X2')
    status, error = train('rellisur-x2', root=root)
    assert status == 2 and error.count('\n') == 1
    assert 'NLHR/X2/0000' in error and 'does not fit `scale=2`' in error

    status, error = train('rellisur-x4', 'model.enhancer.scale=2')
    assert status == 2 and error.count('\n') == 1
    assert '`references` (2, 3, 64, 64) must have the shape of the result (2, 3, 32, 32)' in error


def test_a_missing_file_is_named_with_what_can_be_done(train, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    without_prior = [option for option in SMALL if 'prior' not in option]
    status, error = train('rellisur-x2', small=without_prior)
    assert status == 2 and error.count('\n') == 1
    assert f'`{tmp_path}/llv/weights/mobile_sam.pt` is not there' in error
    assert "`prior='none'`" in error

    without_loss = [option for option in SMALL if 'perceptual' not in option]
    gone = f'model.enhancer.scene_loss.perceptual.weights={tmp_path}/vgg19.pth'
    status, error = train('rellisur-x2', gone, small=without_loss)
    assert status == 2 and error.count('\n') == 1
    assert f'VGG19 `{tmp_path}/vgg19.pth` are not there' in error
    assert '`perceptual=None`' in error


def test_a_file_of_another_network_is_no_prior(train, tmp_path):
    file = tmp_path / 'mobile_sam.pt'
    torch.save({'image_encoder.patch_embed.proj.weight': torch.zeros(2, 3, 4, 4)}, file)
    without_prior = [option for option in SMALL if 'prior' not in option]
    status, error = train(
        'rellisur-x2', f'model.enhancer.prior.weights={file}', small=without_prior
    )
    assert status == 2 and error.count('\n') == 1
    assert f'`{file}` holds the weights of another network than MobileSAM' in error


def test_pictures_smaller_than_a_window_are_refused(train):
    """z of 10 pixels has no place for the window of SSIM."""
    status, error = train('rellisur-x2', crop=5)
    assert status == 2 and error.count('\n') == 1
    assert '10 × 10 pixels have no place for the window of SSIM, 11 × 11' in error
