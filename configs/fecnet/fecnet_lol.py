# FECNet on LOL by the published recipe: about 410 epochs of batch 4, crop 384, in the raw formula.
_base_ = [
    '../_base_/datasets/lol_v1.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer=dict(type='llv.FECNet', formula='raw'))
train_dataloader = dict(sampler=dict(type='InfiniteSampler'))
train_cfg = dict(max_iters=50000, val_interval=1220)
optim_wrapper = dict(optimizer=dict(lr=1.5e-4))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[20000, 40000], gamma=0.5),
]
# `val` is the test list here, so the last checkpoint is the result and none is chosen
default_hooks = dict(checkpoint=dict(interval=1220))
