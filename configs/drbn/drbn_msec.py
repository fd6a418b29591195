# DRBN on MSEC by the recipe of DRBN-ENC: 80 epochs of batch 4, crop 256. The published rate, half of this one, may
# belong to a continuation.
_base_ = [
    '../_base_/enhancers/drbn.py',
    '../_base_/datasets/msec.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture', to_float32=True),
            dict(type='llv.LoadReference'),
            dict(type='llv.EnlargeToMultiple', divisor=4),
            dict(type='llv.RandomCrop', size=(256, 256)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(max_iters=353600, val_interval=4420)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[176800, 265200], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=4420, save_best='quality/psnr', rule='greater'))
