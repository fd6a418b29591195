# PyramidBox's training: 120,000 steps of 16 pictures, half of them with data-anchor-sampling. The steps are those of a
# second source.
_base_ = 'face_sgd.py'
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120_000, val_interval=5000)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=False,
        begin=0,
        end=120_000,
        milestones=[80_000, 100_000],
        gamma=0.1,
    )
]
# for another number of pictures a step: `--cfg-options auto_scale_lr.enable=True`
auto_scale_lr = dict(enable=False, base_batch_size=16)
# The colour distortion (`prob` of `RandomApply`) adds up to 32 levels, more than a night signal has: with an enhancer
# in front leave it out by `--cfg-options train_dataloader.dataset.pipeline.2.prob=0`.
# What surrounds a picture is black instead of the published mean colour, because an enhancer may stand in front and
# would take that for light; `fill='mean'` is the published one.
face_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomApply', transforms=[dict(type='PhotoMetricDistortion')], prob=1.0),
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='llv.DataAnchorSampling', size=640, fill='black')],
            [
                dict(type='llv.FaceExpand', ratio_range=(1, 4), fill='black'),
                dict(type='MinIoURandomCrop', min_ious=(0.3, 0.5, 0.7, 0.9), min_crop_size=0.3),
            ],
        ],
        prob=[0.5, 0.5],
    ),
    dict(type='Resize', scale=(640, 640), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
