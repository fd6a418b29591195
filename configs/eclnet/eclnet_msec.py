# ECLNet on MSEC by the published recipe: about 34 epochs of batch 4; crop 384 is that of the data set's file.
_base_ = [
    '../_base_/enhancers/eclnet.py',
    '../_base_/datasets/msec.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/eclnet_64k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(batch_size=4, sampler=dict(type='InfiniteSampler'))
train_cfg = dict(max_iters=150000, val_interval=4420)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[50000, 100000], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=4420, save_best='quality/psnr', rule='greater'))
