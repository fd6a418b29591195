# S3FD with an eighth of the channels on 1,500 labelled day pictures of 96 pixels, from random weights. The README of
# the folder says how the pictures are made.
_base_ = [
    '../../_base_/models/s3fd_small.py',
    '../../_base_/datasets/night_faces.py',
    '../../_base_/schedules/small_detector.py',
    '../../_base_/small_detector_runtime.py',
]
# Faces are 4 to 27 pixels wide; the published anchors begin at 16. Unit variance suits random weights.
model = dict(
    data_preprocessor=dict(std=[57, 57, 58]),
    bbox_head=dict(anchor_sizes=(6, 10, 16, 24, 32, 48)),
)
max_iters = 500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
val_cfg = None
val_dataloader = None
val_evaluator = None
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
# Pictures are loaded in the process that trains: workers cost more than they save at this size.
data_root = 'data/night_faces_96/'
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/train_day.json',
        data_prefix=dict(img='train/day/'),
        # pictures without a face are labelled too, and the matrix draws from all
        filter_cfg=dict(filter_empty_gt=False),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            # fills nothing, so that nothing but the picture reaches an enhancer
            dict(type='llv.FaceSquareCrop', side_range=(0.6, 1.0)),
            dict(type='Resize', scale=(96, 96), keep_ratio=False),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=50,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/val_day.json',
        data_prefix=dict(img='val/day/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(96, 96), keep_ratio=False),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    ),
)
test_evaluator = dict(_delete_=True, type='llv.PerClassVOCMetric', iou_thrs=0.5)
