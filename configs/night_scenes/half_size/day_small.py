# The day detector of pictures of 48 pixels: its anchors have half the sides, its maps the same strides.
_base_ = 'day.py'
model = dict(
    bbox_head=dict(
        anchor_generator=dict(input_size=48, min_sizes=[5, 8, 13, 20], max_sizes=[8, 13, 20, 30])
    )
)
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/train_X1.json',
        data_prefix=dict(img='Train/NLHR/X1/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='MinIoURandomCrop', min_ious=(), min_crop_size=0.5),
            dict(type='Resize', scale=(48, 48), keep_ratio=False),
            dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='PackDetInputs'),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        ann_file='annotations/test_X1.json',
        data_prefix=dict(img='Test/NLHR/X1/'),
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
test_evaluator = [
    dict(type='llv.PerClassVOCMetric', iou_thrs=0.5, legacy_plus_one=False),
    dict(type='llv.SizeAPMetric', sizes=dict(small=(0, 9), large=(9, None))),
]
