# Cityscapes as pairs of a small dark picture and the large one by day (2,975 to train on, 500 to measure on), made
# while it is read; how TriCo's authors darkened it is unpublished, this is ours: see `llv.CoupledDarkening`. In tests,
# exposure and noise follow from the name of the file. At ×4, `scale=4` in both pipelines. Labels are not read; what
# darkens them for segmentors is `cityscapes_dark.py`.
data_root = 'data/cityscapes'
train_pipeline = [
    dict(type='llv.LoadPicture'),
    # before the darkening, which takes its time with whole pictures; 128 pixels of the dark one at ×2
    dict(type='llv.RandomCrop', size=(256, 256)),
    dict(type='llv.CoupledDarkening', scale=2),
    dict(type='llv.CoupledFlips'),
    dict(type='llv.PackEnhancementInputs'),
]
test_pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.CoupledDarkening', scale=2, fixed=True),
    dict(type='llv.PackEnhancementInputs', meta_keys=('img_path', 'ev', 'img_shape', 'ori_shape')),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root=data_root,
        data_prefix=dict(img='leftImg8bit/train'),
        expected=2975,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.PictureFolder',
        data_root=data_root,
        data_prefix=dict(img='leftImg8bit/val'),
        expected=500,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='llv.ImageQuality', metric=('psnr', 'ssim', 'rmse'), protocol='trico', groups='ev'
)
test_evaluator = val_evaluator
