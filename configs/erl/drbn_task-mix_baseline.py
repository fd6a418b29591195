# DRBN on the task mix, without ERL. No recipe is published: batch 4 and crop 256 are those of the data set's file,
# steps and rate those of FECNet on FiveK, which is four fifths of the pictures.
_base_ = [
    '../_base_/enhancers/drbn.py',
    '../_base_/datasets/task_mix.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(sampler=dict(type='InfiniteSampler'))
train_cfg = dict(max_iters=160000, val_interval=16000)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[80000, 120000], gamma=0.5),
]
# `val` is the test lists here, so the last checkpoint is the result and none is chosen
default_hooks = dict(checkpoint=dict(interval=16000))
