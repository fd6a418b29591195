# DARK FACE, our seeded 5000/1000 pictures in the numbers of RUAS (Liu et al., TPAMI 2022).
# Needs `default_scope = 'mmdet'` (`_base_/default_runtime.py`). Transforms keep their plain names,
# because mmdet's inferencer looks for the literal `LoadImageFromFile` and replaces it.
dataset_type = 'llv.DarkFaceDataset'
data_root = 'data/DarkFace/'
protocol = 'darkface_ruas'

# As for ExDark, what stands in front of an enhancer must not change the light of the night picture:
# what `Expand` adds is black, and there is no `PhotoMetricDistortion`.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Expand', mean=[0, 0, 0], to_rgb=False, ratio_range=(1, 2)),
    dict(type='MinIoURandomCrop', min_ious=(0.3, 0.5, 0.7, 0.9), min_crop_size=0.3),
    dict(type='Resize', scale=(640, 640), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
# the official 1080x720, for most faces are smaller than 32 pixels
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1080, 720), keep_ratio=True),
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
        data_prefix=dict(img='image', ann='label'),
        protocol=protocol,
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
        data_prefix=dict(img='image', ann='label'),
        protocol=protocol,
        subset='test',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# AP at IoU 0.5 by area over the one class is what papers mean by the mAP of DARK FACE on local splits.
# Nothing limits the detections of a picture here, and a picture may hold hundreds of faces:
# `max_per_img` of the detector's `test_cfg` should be 750.
val_evaluator = dict(type='llv.DarkFaceMetric', modes='plain')
test_evaluator = dict(type='llv.DarkFaceMetric', modes=('plain', 'official'))
