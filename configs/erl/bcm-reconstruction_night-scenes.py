# The same on generated night scenes in three exposures; hundreds of steps on a CPU.
_base_ = 'bcm-reconstruction_sice.py'
train_dataloader = dict(
    dataset=dict(
        data_root='data/night_exposures/',
        expected=None,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(96, 96)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(max_iters=1500)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[750, 1125], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=500))
