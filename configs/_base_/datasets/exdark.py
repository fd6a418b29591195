# ExDark for SSD300, our seeded 5200/1200 pictures in the numbers of RUAS (Liu et al., TPAMI 2022).
# Needs `default_scope = 'mmdet'` (`_base_/default_runtime.py`). Transforms keep their plain names,
# because mmdet's inferencer looks for the literal `LoadImageFromFile` and replaces it.
dataset_type = 'llv.ExDarkDataset'
data_root = 'data/ExDark/'
protocol = 'exdark_ruas'

# What stands in front of an enhancer must not change the light of the night picture:
# * mmdet's SSD recipe fills what `Expand` adds with the mean grey of ImageNet. In front of an
#   enhancer that grey is picture content, brighter than nearly everything in a dark picture, and
#   rules its statistics and its illumination. Black fill stays black under any illumination map.
# * `PhotoMetricDistortion` shifts brightness by up to 32 levels, far more than a night signal. It
#   is left out; to have SSD's published augmentation (sensible without an enhancer), put
#   dict(type='PhotoMetricDistortion') before PackDetInputs.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Expand', mean=[0, 0, 0], to_rgb=False, ratio_range=(1, 4)),
    dict(type='MinIoURandomCrop', min_ious=(0.1, 0.3, 0.5, 0.7, 0.9), min_crop_size=0.3),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    # after Resize: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='imageclasslist.txt',
        data_prefix=dict(img='images', ann='annotations'),
        protocol=protocol,
        subset='train',
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='imageclasslist.txt',
        data_prefix=dict(img='images', ann='annotations'),
        protocol=protocol,
        subset='test',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# ExDark's literature measures VOC AP at IoU 0.5 by area; VOCMetric's own default is 11 points.
val_evaluator = dict(type='VOCMetric', metric='mAP', iou_thrs=0.5, eval_mode='area')
test_evaluator = val_evaluator
