import re
from pathlib import Path

import pytest
from mmengine.config import Config

from llv.engine.settings import check_downloads, check_start, use_amp, use_parallel_cpu


def test_amp_replaces_what_an_accelerator_needs():
    cfg = Config(dict(optim_wrapper=dict(type='AmpOptimWrapper', loss_scale=512.0, optimizer={})))
    use_amp(cfg)
    assert cfg.optim_wrapper == dict(type='llv.Bfloat16OptimWrapper', optimizer={})
    with pytest.raises(ValueError, match='`optim_wrapper.type`'):
        use_amp(Config(dict(optim_wrapper=dict(type='DeepSpeedOptimWrapper'))))


def test_parallel_wrapper_keeps_what_the_config_says():
    cfg = Config(dict(find_unused_parameters=True))
    use_parallel_cpu(cfg, 'none')
    assert 'model_wrapper_cfg' not in cfg
    use_parallel_cpu(cfg, 'pytorch')
    assert cfg.model_wrapper_cfg == dict(
        type='llv.DistributedDataParallel', find_unused_parameters=True, broadcast_buffers=False
    )
    own = dict(type='MMSeparateDistributedDataParallel', static_graph=True)
    cfg = Config(dict(model_wrapper_cfg=own))
    use_parallel_cpu(cfg, 'slurm')
    assert cfg.model_wrapper_cfg == own


@pytest.mark.parametrize(
    ('name', 'url'),
    [
        ('http://127.0.0.1:9/net-12345678.pth', 'net-12345678.pth'),
        ('torchvision://resnet50', 'resnet50-'),
        ('open-mmlab://vgg16_caffe', 'vgg16_caffe-'),
    ],
)
def test_missing_downloads_are_told_before_training(tmp_path, monkeypatch, name, url):
    def refuse(address, timeout):
        raise ConnectionRefusedError

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    if '127.0.0.1' not in name:  # never leave this machine
        monkeypatch.setattr('socket.create_connection', refuse)
    backbone = dict(init_cfg=[dict(type='Constant'), dict(type='Pretrained', checkpoint=name)])
    cfg = Config(dict(model=dict(detector=dict(backbone=backbone))))
    with pytest.raises(FileNotFoundError, match='--no-pretrained') as error:
        check_downloads(cfg)
    path = re.search(rf'put the file at `([^`]*{url}[^`]*)`', str(error.value)).group(1)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()
    check_downloads(cfg)


def test_a_missing_start_is_told_unless_nothing_reads_it(tmp_path):
    cfg = Config(dict(load_from=str(tmp_path / 'gone.pth'), work_dir=str(tmp_path / 'run')))
    # with `auto` and nothing to resume from, training starts anew from that file
    for resume in (None, 'auto'):
        with pytest.raises(FileNotFoundError, match='gone.pth` .`load_from`.*--cfg-options'):
            check_start(cfg, resume)
    check_start(cfg, 'iter_3.pth')
    folder = tmp_path / 'run'
    folder.mkdir()
    (folder / 'iter_3.pth').touch()
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_3.pth'))
    check_start(cfg, 'auto')
    with pytest.raises(FileNotFoundError):
        check_start(cfg)
    cfg.upstream = [dict(config='a.py', into='model.weights')]
    with pytest.raises(FileNotFoundError):
        check_start(cfg)
    cfg.upstream.append(dict(config='b.py', into='load_from'))
    check_start(cfg)
    check_start(Config(dict(load_from='https://example.org/a.pth', work_dir='run')))
