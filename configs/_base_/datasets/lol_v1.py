# LOL, version 1, in pairs: 485 to train on, 15 to test on. Crop and flips are those of FECNet on LOL; its pictures,
# 600 × 400, need no enlargement.
data_root = 'data/LOL'
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='llv.LOLDataset',
        data_root=data_root,
        version='v1',
        subset='train',
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.RandomCrop', size=(384, 384)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.LOLDataset',
        data_root=data_root,
        version='v1',
        subset='test',
        test_mode=True,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='llv.ImageQuality', metric=('psnr', 'ssim'), protocol='erl')
test_evaluator = val_evaluator
