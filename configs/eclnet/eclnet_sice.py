# ECLNet on SICE by the published recipe: batch 4, crop 384.
_base_ = [
    '../_base_/enhancers/eclnet.py',
    '../_base_/datasets/sice.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/eclnet_64k.py',
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
            dict(type='llv.RandomCrop', size=(384, 384)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
default_hooks = dict(checkpoint=dict(interval=256, save_best='quality/psnr', rule='greater'))
