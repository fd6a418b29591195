# The searched detector of RUAS on DARK FACE without its scene module, from ImageNet weights; tested at 1.5 million
# pixels. To start from weights of WIDER FACE, name them as `load_from`.
_base_ = [
    '../_base_/models/ruas_detector.py',
    '../_base_/datasets/dark_face.py',
    '../_base_/schedules/face_ruas.py',
    '../_base_/schedules/face_runtime.py',
]
# without the scene module of the base: a strategy puts an enhancer here (see the README)
model = dict(
    pretrained='open-mmlab://vgg16_caffe',
    data_preprocessor=dict(
        _delete_=True,
        type='mmdet.DetDataPreprocessor',
        mean=[123, 117, 104],
        std=[1, 1, 1],
        bgr_to_rgb=True,
    ),
)
train_dataloader = dict(
    batch_size=16,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(pipeline={{_base_.face_pipeline}}),
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='llv.ResizeToArea', area=1_500_000),
    # behind the geometry: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
