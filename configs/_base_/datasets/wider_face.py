# WIDER FACE, train and val; the pictures are well lit.
# Needs `default_scope = 'mmdet'` (`_base_/default_runtime.py`). Transforms keep their plain names,
# because mmdet's inferencer looks for the literal `LoadImageFromFile` and replaces it.
dataset_type = 'llv.WiderFaceDataset'
data_root = 'data/WIDER/'

# A detector trained here often meets an enhancer or the dark later, so that, as for ExDark, what
# `Expand` adds is black, and there is no `PhotoMetricDistortion`; S3FD, PyramidBox and DSFD train
# with it: put dict(type='PhotoMetricDistortion') before PackDetInputs.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Expand', mean=[0, 0, 0], to_rgb=False, ratio_range=(1, 4)),
    dict(type='MinIoURandomCrop', min_ious=(0.3, 0.5, 0.7, 0.9), min_crop_size=0.3),
    dict(type='Resize', scale=(640, 640), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    # the usual width of the set's pictures
    dict(type='Resize', scale=(1024, 1024), keep_ratio=True),
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
        subset='train',
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        subset='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# AP50 over all valid faces. For the official easy, medium and hard subsets give the benchmark's files:
# subset_files=dict(easy='…/wider_easy_val.mat', medium=…, hard=…).
val_evaluator = dict(type='llv.WiderFaceMetric')
test_evaluator = val_evaluator
