# The task mix of ERL (Table 3): LOL, FiveK and the over-exposed half of SICE, trained on jointly, and tested on each
# of the three. Neither list nor balance is published: ours is the plain concatenation, every picture equally likely.
# Report the three sets (`dataset` of a sample) and their plain mean.
train_pipeline = [
    dict(type='llv.LoadPicture', to_float32=True),
    dict(type='llv.LoadReference'),
    dict(type='llv.EnlargeToMultiple', divisor=4),
    dict(type='llv.RandomCrop', size=(256, 256)),
    dict(type='llv.RandomFlips'),
    dict(type='llv.PackEnhancementInputs'),
]
test_pipeline = [
    dict(type='llv.LoadPicture', to_float32=True),
    dict(type='llv.LoadReference'),
    dict(type='llv.EnlargeToMultiple', divisor=4),
    dict(type='llv.PackEnhancementInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(
                type='llv.LOLDataset',
                data_root='data/LOL',
                subset='train',
                pipeline=train_pipeline,
            ),
            dict(
                type='llv.FiveKDataset',
                data_root='data/FiveK',
                subset='train',
                pipeline=train_pipeline,
            ),
            dict(
                type='llv.SICEDataset',
                data_root='data/SICE_exposures',
                subset='train',
                exposure='over',
                pipeline=train_pipeline,
            ),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(
                type='llv.LOLDataset',
                data_root='data/LOL',
                subset='test',
                test_mode=True,
                pipeline=test_pipeline,
            ),
            dict(
                type='llv.FiveKDataset',
                data_root='data/FiveK',
                subset='test',
                test_mode=True,
                pipeline=test_pipeline,
            ),
            dict(
                type='llv.SICEDataset',
                data_root='data/SICE_exposures',
                subset='test',
                exposure='over',
                test_mode=True,
                pipeline=test_pipeline,
            ),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='llv.ImageQuality', metric=('psnr', 'ssim'), protocol='erl', groups='dataset'
)
test_evaluator = val_evaluator
