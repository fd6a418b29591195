# SID on MSEC by the published recipe of SID-ENC: about 68 epochs,
# batch 1, crop 384. To compare with ERL, whose regularisation relates pictures, take batch 4.
_base_ = [
    '../_base_/enhancers/sid.py',
    '../_base_/datasets/msec.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/hosts_51k.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=1,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture', to_float32=True),
            dict(type='llv.LoadReference'),
            dict(type='llv.EnlargeToMultiple', divisor=4),
            dict(type='llv.RandomCrop', size=(384, 384)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(max_iters=1200000, val_interval=17680)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[600000, 900000], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=17680, save_best='quality/psnr', rule='greater'))
