# PyramidBox on DARK FACE without an enhancer, by its published training;
# tested at 2.04 million pixels. Papers fine-tune weights of WIDER FACE: convert them and name them as `load_from`.
_base_ = [
    '../_base_/models/pyramidbox.py',
    '../_base_/datasets/dark_face.py',
    '../_base_/schedules/face_pyramidbox.py',
    '../_base_/schedules/face_runtime.py',
]
train_dataloader = dict(
    batch_size=16,
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
