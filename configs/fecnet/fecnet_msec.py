# FECNet on MSEC by the published recipe: 160 epochs of batch 8, crop 384.
_base_ = [
    '../_base_/enhancers/fecnet.py',
    '../_base_/datasets/msec.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(sampler=dict(type='InfiniteSampler'))
train_cfg = dict(max_iters=353600, val_interval=2210)
optim_wrapper = dict(optimizer=dict(lr=4e-4))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[176800, 265200], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=2210, save_best='quality/psnr', rule='greater'))
