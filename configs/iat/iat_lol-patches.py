# IAT on LOL-v1, first stage: ten random 256 × 256 patches of each pair an epoch, mirrored and turned by 180°, L1.
_base_ = [
    '../_base_/enhancers/iat.py',
    '../_base_/datasets/lol_v1.py',
    '../_base_/schedules/iat_patches_200e.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=10,
        dataset=dict(
            type='llv.LOLDataset',
            data_root={{_base_.data_root}},
            version='v1',
            subset='train',
            pipeline=[
                dict(type='llv.LoadPicture'),
                dict(type='llv.LoadReference'),
                dict(type='llv.RandomCrop', size=(256, 256)),
                dict(type='llv.RandomFlips'),
                dict(type='llv.PackEnhancementInputs'),
            ],
        ),
    ),
)
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=10))
log_processor = dict(by_epoch=True)
