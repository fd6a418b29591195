# FiveK in pairs by the lists of FECNet: 4500 to train on, 500 to test on. 16-bit inputs keep their levels. The
# authors enlarge to multiples of 4, in testing too, and measure on the enlarged pair.
data_root = 'data/FiveK'
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='llv.FiveKDataset',
        data_root=data_root,
        data_prefix=dict(img='low', reference='high'),
        protocol='fecnet',
        subset='train',
        pipeline=[
            dict(type='llv.LoadPicture', to_float32=True),
            dict(type='llv.LoadReference'),
            dict(type='llv.EnlargeToMultiple', divisor=4),
            dict(type='llv.RandomCrop', size=(272, 272)),
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
        type='llv.FiveKDataset',
        data_root=data_root,
        data_prefix=dict(img='low', reference='high'),
        protocol='fecnet',
        subset='test',
        test_mode=True,
        pipeline=[
            dict(type='llv.LoadPicture', to_float32=True),
            dict(type='llv.LoadReference'),
            dict(type='llv.EnlargeToMultiple', divisor=4),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='llv.ImageQuality', metric=('psnr', 'ssim'), protocol='erl')
test_evaluator = val_evaluator
