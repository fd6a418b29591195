# SSD512-VGG16 on ExDark, without an enhancer: SSD300's recipe at 512 pixels.
_base_ = [
    '../_base_/models/ssd512.py',
    '../_base_/datasets/exdark.py',
    '../_base_/schedules/ssd300_24e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=12))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            # black, and no colour distortion: see the base
            dict(type='Expand', mean=[0, 0, 0], to_rgb=False, ratio_range=(1, 4)),
            dict(type='MinIoURandomCrop', min_ious=(0.1, 0.3, 0.5, 0.7, 0.9), min_crop_size=0.3),
            dict(type='Resize', scale=(512, 512), keep_ratio=False),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ]
    )
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(512, 512), keep_ratio=False),
    # behind Resize: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='llv.PerClassVOCMetric', iou_thrs=0.5, eval_mode='area')
test_evaluator = val_evaluator
custom_hooks = [dict(type='CheckInvalidLossHook', interval=50, priority='VERY_LOW')]
