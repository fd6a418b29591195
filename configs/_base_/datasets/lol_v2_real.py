# The real part of LOL, version 2: 689 pairs to train on, 100 to test on. It contains the pictures of version 1: do
# not train on one and test on the other. Crop and flips are those of FECNet on version 1.
data_root = 'data/LOL-v2'
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='llv.LOLDataset',
        data_root=data_root,
        version='v2-real',
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
        version='v2-real',
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
