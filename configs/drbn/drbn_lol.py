# DRBN on LOL by the original recipe, its 300 epochs counted as 1 000 steps each. The authors hold nothing out.
_base_ = [
    '../_base_/enhancers/drbn.py',
    '../_base_/datasets/lol_v1.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.RandomCrop', size=(256, 256)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(max_iters=300000, val_interval=10000)
optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.999)))
param_scheduler = [dict(type='MultiStepLR', by_epoch=False, milestones=[200000], gamma=0.5)]
# `val` is the test list here, so the last checkpoint is the result and none is chosen
default_hooks = dict(checkpoint=dict(interval=10000))
