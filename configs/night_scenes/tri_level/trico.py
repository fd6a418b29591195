# A small TriCo that lights night scenes of 48 pixels and doubles their size, in so few iterations that there is time
# for some 200 trainings. Against the published settings: a third of the iterations belong to the first stage and not a
# tenth, lest there be twenty of them; the rate of the hyper-variables times the iterations of the first stage is as
# published, 1.5; the rates of the weights are 25 times theirs; the two periods of the second stage share it as there.
_base_ = '../../_base_/enhancer_runtime.py'
data_root = 'data/night_coupled_48'
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.TriCo',
        scale=2,
        width=16,
        illumination_width=8,
        blocks=(1, 1, 1, 1),
        heads=(1, 2, 2, 2),
        prior='none',
        # where there is a file of VGG19: `perceptual=dict(weights=FILE)`
        scene_loss=dict(type='llv.TriCoLoss', perceptual=None),
    ),
)
train_pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.LoadReference'),
    dict(type='llv.CoupledRandomCrop', size=24, scale=2),
    dict(type='llv.CoupledFlips'),
    dict(type='llv.PackEnhancementInputs'),
]
# a few pictures are quicker loaded than sent between processes
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.RELLISURDataset',
        data_root=data_root,
        subset='train',
        scale=2,
        part='lower',
        pipeline=train_pipeline,
    ),
)
# the scenes that are tested on; nothing is chosen by them, the last weights count
val_dataloader = dict(
    batch_size=20,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.RELLISURDataset',
        data_root=data_root,
        subset='test',
        scale=2,
        test_mode=True,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(
                type='llv.PackEnhancementInputs',
                meta_keys=('img_path', 'reference_path', 'ev', 'img_shape', 'ori_shape'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='llv.ImageQuality', metric=('psnr', 'ssim', 'rmse'), protocol='trico', groups='ev'
)
test_evaluator = val_evaluator
train_cfg = dict(
    type='llv.PhasedGradientResponseLoop',
    max_iters=210,
    val_interval=210,
    s1_iters=70,
    upper_dataloader=dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='llv.RELLISURDataset',
            data_root=data_root,
            subset='train',
            scale=2,
            part='upper',
            pipeline=train_pipeline,
        ),
    ),
    hyper_optimizer=dict(type='Adam', lr=0.0214),
)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-3), clip_grad=dict(max_norm=0.01)
)
param_scheduler = [
    dict(
        type='CosineRestartLR',
        by_epoch=False,
        begin=70,
        end=210,
        periods=[32, 108],
        restart_weights=[0.5, 0.5],
        eta_min=1e-5,
    )
]
log_processor = dict(window_size=5)
default_hooks = dict(
    logger=dict(interval=5),
    # where an interrupted training goes on; the study removes it at the end
    checkpoint=dict(interval=70, max_keep_ckpts=1),
)
