# IAT, supervised by L1, on pairs of night scenes; hundreds of steps on a CPU, at a higher rate than published.
_base_ = [
    '../_base_/enhancers/iat.py',
    '../_base_/datasets/night_scenes_pairs.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.RandomCrop', size=(96, 96)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300, val_interval=300)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.99)),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[150, 225], gamma=0.5),
]
