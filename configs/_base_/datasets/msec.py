# MSEC: FiveK at five exposures; 17675 pictures to train on, 750 to choose checkpoints on, 5905 to test on. Batch,
# crop, flips and the enlargement to multiples of 4, in testing too, are those of FECNet.
data_root = 'data/MSEC'
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='llv.MSECDataset',
        data_root=data_root,
        subset='train',
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
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.MSECDataset',
        data_root=data_root,
        subset='val',
        test_mode=True,
        pipeline=[
            dict(type='llv.LoadPicture', to_float32=True),
            dict(type='llv.LoadReference'),
            dict(type='llv.EnlargeToMultiple', divisor=4),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.MSECDataset',
        data_root=data_root,
        subset='test',
        expert='c',  # PSENet is measured against 'e'
        test_mode=True,
        pipeline=[
            dict(type='llv.LoadPicture', to_float32=True),
            dict(type='llv.LoadReference'),
            dict(type='llv.EnlargeToMultiple', divisor=4),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
val_evaluator = dict(
    type='llv.ImageQuality', metric=('psnr', 'ssim'), protocol='erl', groups='exposure'
)
test_evaluator = val_evaluator
