# SICE without references, as PSENet trains on it: the 2002 pictures of part 1 that are distributed with Zero-DCE, all
# shrunk to 256 × 256. Tested on part 2, every exposure against its sequence's label, at a quarter of the side.
data_root = 'data/SICE_zero_dce'
test_data_root = 'data/SICE'
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root=data_root,
        expected=2002,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.ResizePair', size=(256, 256)),
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
        type='llv.SICESequenceDataset',
        data_root=test_data_root,
        part=2,
        test_mode=True,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.ScaleSide', factor=0.25),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='llv.ImageQuality', metric=('psnr', 'ssim'), protocol='psenet')
test_evaluator = val_evaluator
