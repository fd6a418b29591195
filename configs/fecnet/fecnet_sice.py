# FECNet on SICE by the published recipe; batch 4 and crop 256 are those of the data set's file.
_base_ = [
    '../_base_/enhancers/fecnet.py',
    '../_base_/datasets/sice.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(sampler=dict(type='InfiniteSampler'))
default_hooks = dict(checkpoint=dict(interval=256, save_best='quality/psnr', rule='greater'))
