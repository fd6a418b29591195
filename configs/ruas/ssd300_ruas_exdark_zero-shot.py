_base_ = [
    '../ssd/ssd300_exdark.py',
    '../_base_/enhancers/ruas.py',
    '../_base_/strategies/zero_shot.py',
]
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer={{_base_.enhancer}},
        frozen={{_base_.frozen}},
        base={{_base_.model.data_preprocessor}},
    )
)
upstream = [
    dict(
        config='{{ fileDirname }}/../ssd/ssd300_exdark_detector-only.py',
        into='load_from',
        prefix='',
    ),
    dict(config='{{ fileDirname }}/ruas-scene_exdark.py'),
]
# nothing to train
train_cfg = None
train_dataloader = None
optim_wrapper = None
param_scheduler = None
