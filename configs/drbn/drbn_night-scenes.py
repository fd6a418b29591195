# DRBN with its own losses on pairs of night scenes; hundreds of steps on a CPU, at ten times the published rate. The
# loss is SSIM alone, which is the same for a picture and its negative (both means and the covariance change sign):
# some seeds converge to the negative, whose clamp is black.
_base_ = [
    '../_base_/enhancers/drbn.py',
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
    optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99)),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[150, 225], gamma=0.5),
]
