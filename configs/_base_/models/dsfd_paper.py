# DSFD as its paper describes it, on VGG-16, from ImageNet weights.
model = dict(
    type='llv.DSFD',
    preset='paper',
    depth=16,
    width=1.0,
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor', mean=[104, 117, 123], std=[1, 1, 1], bgr_to_rgb=False
    ),
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe'),
    ),
)
