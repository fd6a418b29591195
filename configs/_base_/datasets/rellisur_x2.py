# RELLISUR, dark pictures and well-lit ones of twice the size: 722 scenes to train on, of which `train_dataloader`
# has 602 and `upper_dataloader` 120 (TriCo's 1 : 5; the draw is ours), 43 to choose checkpoints on, 85 to test on, five
# exposures each. Crops of 128 pixels, 256 of the reference. Training at one level takes all scenes with `part=None`.
data_root = 'data/RELLISUR-Dataset'
train_pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.LoadReference'),
    dict(type='llv.CoupledRandomCrop', size=128, scale=2),
    dict(type='llv.CoupledFlips'),
    dict(type='llv.PackEnhancementInputs'),
]
test_pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.LoadReference'),
    dict(
        type='llv.PackEnhancementInputs',
        meta_keys=('img_path', 'reference_path', 'ev', 'img_shape', 'ori_shape'),
    ),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.RELLISURDataset',
        data_root=data_root,
        subset='train',
        scale=2,
        part='lower',
        pipeline=train_pipeline,
    ),
)
upper_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.RELLISURDataset',
        data_root=data_root,
        subset='train',
        scale=2,
        part='upper',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.RELLISURDataset',
        data_root=data_root,
        subset='val',
        scale=2,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.RELLISURDataset',
        data_root=data_root,
        subset='test',
        scale=2,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(
    type='llv.ImageQuality', metric=('psnr', 'ssim', 'rmse'), protocol='trico', groups='ev'
)
test_evaluator = val_evaluator
