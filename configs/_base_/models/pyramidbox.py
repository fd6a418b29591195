# PyramidBox on VGG-16 with outputs for face and head, from ImageNet weights: 57.2 M parameters.
model = dict(
    type='llv.PyramidBox',
    width=1.0,
    fc6_dilation=6,
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor', mean=[104, 117, 123], std=[1, 1, 1], bgr_to_rgb=False
    ),
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe'),
    ),
)
