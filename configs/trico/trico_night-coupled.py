# A small TriCo at ×2 in three levels on coupled night scenes, in about ten minutes on one core of a CPU: no semantic
# prior and no perceptual loss, so no file is needed. 900 iterations instead of 150 000: ς moves 50 times as fast in a
# fiftieth of the first stage, and the weights five times as fast. The two periods have the published proportion.
_base_ = ['../_base_/datasets/night_coupled.py', '../_base_/enhancer_runtime.py']
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.TriCo',
        scale=2,
        width=16,
        illumination_width=8,
        blocks=(1, 1, 1, 1),
        heads=(1, 2, 2, 2),
        prior=dict(type='none'),
        scene_loss=dict(type='llv.TriCoLoss', perceptual=None),
    ),
)
train_pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.LoadReference'),
    dict(type='llv.CoupledRandomCrop', size=32, scale=2),
    dict(type='llv.CoupledFlips'),
    dict(type='llv.PackEnhancementInputs'),
]
# the network has the core for itself
inline = dict(batch_size=4, num_workers=0, persistent_workers=False)
train_dataloader = dict(**inline, dataset=dict(pipeline=train_pipeline))
train_cfg = dict(
    type='llv.PhasedGradientResponseLoop',
    max_iters=900,
    s1_iters=300,
    upper_dataloader=dict(
        **inline,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='llv.RELLISURDataset',
            data_root='data/night_coupled',
            subset='train',
            scale=2,
            part='upper',
            pipeline=train_pipeline,
        ),
    ),
    hyper_optimizer=dict(type='Adam', lr=5e-3),
    val_interval=900,
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=0.01),
)
param_scheduler = [
    dict(
        type='CosineRestartLR',
        by_epoch=False,
        begin=300,
        end=900,
        periods=[138, 462],
        restart_weights=[0.5, 0.5],
        eta_min=5e-6,
    )
]
default_hooks = dict(checkpoint=dict(interval=300))
