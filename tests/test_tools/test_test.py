import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import load
from toy_training import LIT, Evil, write

from llv.apis import init_enhancer
from llv.engine.runner import use_output, use_pictures, use_tta


@pytest.fixture
def trained(tmp_path, call_tool):
    file = write(tmp_path, extra='train_cfg.update(max_epochs=1)')
    assert call_tool('train', file, '--work-dir', tmp_path / 'run')[0] == 0
    return file, tmp_path / 'run' / 'epoch_1.pth'


def test_checkpoint_is_tested(tmp_path, call_tool, trained):
    file, checkpoint = trained
    entry = dict(config='nowhere.py')  # testing does not look at it
    options = ['--cfg-options', f'upstream=[{entry}]', 'randomness.seed=0']
    out = tmp_path / 'out.pkl'
    status, error = call_tool(
        'test', file, checkpoint, '--work-dir', tmp_path / 'test', '--out', out, *options
    )
    assert status == 0, error
    metrics = json.loads(next((tmp_path / 'test').glob('*/*.json')).read_text())
    values = [float(value) for value in load(out)]
    assert len(values) == 10
    assert metrics['mean'] == pytest.approx(np.mean(values))


def test_user_errors_are_one_sentence(tmp_path, call_tool, trained):
    file, checkpoint = trained
    evil = tmp_path / 'evil.pth'
    torch.save(dict(state_dict=Evil(tmp_path / 'trace')), evil)
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict=dict(scene=torch.zeros(3))), other)
    cases = [
        ([tmp_path / 'gone.pth'], 'gone.pth'),
        ([evil], 'refused'),
        ([other], 'holds another model than the config'),
        ([checkpoint, '--tta'], '`tta_model`'),
        ([checkpoint, '--show-dir', tmp_path], '`visualizer`'),
        ([checkpoint, '--out', tmp_path / 'x.txt'], '.pkl'),
        ([checkpoint, '--cfg-options', 'test_cfg=None'], 'no test set'),
    ]
    for arguments, message in cases:
        status, error = call_tool('test', file, *arguments, '--work-dir', tmp_path / 'test')
        assert status == 2 and message in error and 'Traceback' not in error, (arguments, error)
    assert not (tmp_path / 'trace').exists()


def test_an_enhancer_must_not_be_random(tmp_path, call_tool, trained):
    plain, without = trained
    one = 'train_cfg.update(max_epochs=1)\n'
    write(
        tmp_path,
        'first',
        extra=one + "model = dict(type='llv.EnhancementModel', enhancer=dict(type='llv.RUAS'))\n",
    )
    link = f'upstream = [dict(config={str(tmp_path / "first.py")!r})]\n'
    lit = write(tmp_path, 'lit', extra=LIT + link + one)
    # the detector as it is behind an enhancer trained upstream: the checkpoint that is tested never holds it
    load = f'load_from = {str(without)!r}\ntrain_cfg = train_dataloader = optim_wrapper = param_scheduler = None\n'
    zero_shot = write(tmp_path, 'zero_shot', extra=LIT + link + load)
    for file in (lit, zero_shot):
        assert call_tool('train', file, '--work-dir', tmp_path / file.stem)[0] == 0
    holding, dumped = tmp_path / 'lit' / 'epoch_1.pth', tmp_path / 'zero_shot' / 'zero_shot.py'
    torch.save(init_enhancer('ruas').state_dict(), tmp_path / 'ruas.pth')

    def run(*arguments):
        status, error = call_tool('test', *arguments, '--work-dir', tmp_path / 'test')
        assert 'Traceback' not in error
        return status, error.strip().splitlines()[-1:]

    for random in ([zero_shot, without], [lit, without], [plain, without, '--enhancer', 'ruas']):
        status, (sentence,) = run(*random)
        assert status == 2, random
        for remedy in (
            '--enhancer-weights',
            'model.data_preprocessor.enhancer.weights',
            'work folder',
        ):
            assert remedy in sentence
    for filled in (
        [dumped, without],
        [lit, holding],
        [plain, holding, '--enhancer', 'ruas'],
        [plain, without, '--enhancer', 'ruas', '--enhancer-weights', tmp_path / 'ruas.pth'],
        [plain, without, '--enhancer', 'fixed_gain'],
        [plain, without, '--enhancer', 'mean_match'],
        [plain, without, '--enhancer', 'identity'],
    ):
        assert run(*filled)[0] == 0, filled


def detector():
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(32, 32)),
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'scale_factor')),
    ]
    return Config(
        dict(
            default_scope='mmdet',
            data_preprocessor=dict(type='DetDataPreprocessor'),
            model=dict(data_preprocessor=dict(type='llv.EnhancedDataPreprocessor')),
            test_dataloader=dict(
                dataset=dict(type='RepeatDataset', dataset=dict(pipeline=pipeline))
            ),
            test_evaluator=dict(type='CocoMetric'),
            default_hooks=dict(visualization=dict(type='DetVisualizationHook')),
        )
    )


def test_tta_keeps_the_enhancer_and_has_defaults_for_detectors():
    cfg = detector()
    use_tta(cfg)
    assert cfg.model.type == 'DetTTAModel'
    assert cfg.model.module.data_preprocessor.type == 'llv.EnhancedDataPreprocessor'
    assert 'data_preprocessor' not in cfg  # mmengine would put it in the place of the enhancer
    loading, resize, views = cfg.test_dataloader.dataset.dataset.pipeline
    assert views.type == 'TestTimeAug'
    flips, (packing,) = views.transforms
    assert [flip.prob for flip in flips] == [0.0, 1.0]
    assert packing.meta_keys[-2:] == ('flip', 'flip_direction')
    assert cfg.model.tta_cfg.max_per_img == 100


def test_tta_keeps_as_many_detections_as_the_detector():
    cfg = detector()
    cfg.model.test_cfg = dict(max_per_img=750)
    use_tta(cfg)
    assert cfg.model.tta_cfg.max_per_img == 750


def test_own_tta_of_the_config_is_used():
    cfg = detector()
    cfg.tta_model = dict(type='Mine', weight=2)
    cfg.tta_pipeline = [dict(type='Views')]
    use_tta(cfg)
    assert cfg.model.type == 'Mine' and cfg.model.weight == 2
    assert cfg.test_dataloader.dataset.dataset.pipeline == [dict(type='Views')]


def test_pictures_and_output():
    cfg = detector()
    cfg.default_hooks.visualization.score_thr = 0.6
    use_pictures(cfg, 'shown')
    assert cfg.default_hooks.visualization == dict(
        type='llv.EnhancedVisualizationHook', out_dir='shown', score_thr=0.6
    )
    assert cfg.visualizer == dict(type='mmdet.DetLocalVisualizer')
    use_output(cfg, 'out.pkl')
    assert [metric.type for metric in cfg.test_evaluator] == ['CocoMetric', 'mmdet.DumpDetResults']
    own = pytest.importorskip('mmseg.evaluation').IoUMetric  # as configs in pure Python name it
    for kind, more in (('IoUMetric', {}), (own, {}), ('CityscapesMetric', dict(keep_results=True))):
        cfg = Config(dict(default_scope='mmseg', test_evaluator=dict(type=kind)))
        use_output(cfg, 'masks')
        assert cfg.test_evaluator == dict(type=kind, output_dir='masks', **more)


def test_label_maps_are_written_by_the_one_metric_that_can():
    pytest.importorskip('mmseg')
    others = [dict(type='llv.RegionIoUMetric'), dict(type='llv.LabelMapExport', out_dir='a')]
    metrics = [others[0], dict(type='llv.PerClassIoUMetric'), others[1]]
    cfg = Config(dict(default_scope='mmseg', test_evaluator=metrics))
    use_output(cfg, 'masks')
    written = dict(type='llv.PerClassIoUMetric', output_dir='masks')
    assert cfg.test_evaluator == [others[0], written, others[1]]
    cfg = Config(dict(default_scope='mmseg', test_evaluator=others))
    with pytest.raises(ValueError, match='`--out` writes label maps'):
        use_output(cfg, 'masks')
