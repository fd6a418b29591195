# Night scenes in pairs: the night picture and the same scene by day; `tools/make_night_scenes.py` generates them.
data_root = 'data/night_scenes/'
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root=data_root,
        data_prefix=dict(img='train/night', reference='train/day'),
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.PictureFolder',
        data_root=data_root,
        data_prefix=dict(img='val/night', reference='val/day'),
        test_mode=True,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='llv.ImageQuality', metric=('psnr', 'ssim'), protocol='skimage')
test_evaluator = val_evaluator
