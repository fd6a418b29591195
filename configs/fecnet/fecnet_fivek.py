# FECNet on FiveK by the published recipe: about 142 epochs of batch 4, crop 272, in the stabilised formula.
_base_ = [
    '../_base_/enhancers/fecnet.py',
    '../_base_/datasets/fivek.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(sampler=dict(type='InfiniteSampler'))
train_cfg = dict(max_iters=160000, val_interval=1125)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[80000, 120000], gamma=0.5),
]
# `val` is the test list here, so the last checkpoint is the result and none is chosen
default_hooks = dict(checkpoint=dict(interval=1125))
