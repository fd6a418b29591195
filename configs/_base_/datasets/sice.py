# SICE as low, middle and over-exposed pictures (tools/dataset_converters/sice_to_exposures.py), the middle one as
# reference: 482 scenes to train on, 30 (ours) to choose checkpoints on, 30 to test on, two pictures each. To train
# on the authors' 512, which leaves none to choose on, take `subset='trainval'`. Batch, crop, flips and the enlargement
# to multiples of 4, in testing too, are those of FECNet.
data_root = 'data/SICE_exposures'
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='llv.SICEDataset',
        data_root=data_root,
        subset='train',
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
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.SICEDataset',
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
        type='llv.SICEDataset',
        data_root=data_root,
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
val_evaluator = dict(
    type='llv.ImageQuality', metric=('psnr', 'ssim'), protocol='erl', groups='exposure'
)
test_evaluator = val_evaluator
