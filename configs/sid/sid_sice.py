# SID on SICE by the published recipe of SID-ENC: 200 epochs of the authors' 1 024 pairs,
# batch 1, crop 384. To compare with ERL, whose regularisation relates pictures, take batch 4.
_base_ = [
    '../_base_/enhancers/sid.py',
    '../_base_/datasets/sice.py',
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
train_cfg = dict(max_iters=204800, val_interval=1024)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[102400, 153600], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=1024, save_best='quality/psnr', rule='greater'))
