# The day detector adapted to dark pictures of 48 pixels, five exposures of each scene. Behind an enhancer of scale 2 it
# is given the 96 that it learned on; without one it has to do with them as they are.
_base_ = 'day.py'
max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
train_dataloader = dict(
    dataset=dict(
        # other scenes than the day detector and the enhancers learned from
        ann_file='annotations/val_dark.json',
        data_prefix=dict(img='Val/LLLR/'),
        # no crops: resized pictures would have another noise than those of the test
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(48, 48), keep_ratio=False),
            dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='PackDetInputs'),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        ann_file='annotations/test_dark.json',
        data_prefix=dict(img='Test/LLLR/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(48, 48), keep_ratio=False),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    )
)
# sizes are those of the dark picture, whatever the detector was given
test_evaluator = [
    dict(type='llv.PerClassVOCMetric', iou_thrs=0.5, legacy_plus_one=False),
    dict(type='llv.SizeAPMetric', sizes=dict(small=(0, 9), large=(9, None))),
]
