# S3FD on WIDER FACE by its published training;
# tested at 2.04 million pixels.
_base_ = [
    '../_base_/models/s3fd.py',
    '../_base_/datasets/wider_face.py',
    '../_base_/schedules/face_s3fd.py',
    '../_base_/schedules/face_runtime.py',
]
train_dataloader = dict(
    batch_size=32,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(pipeline={{_base_.face_pipeline}}),
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='llv.ResizeToArea', area=2_040_000),
    # behind the geometry: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
