# DSFD as its authors released it, on ResNet-152: 120.1 M parameters. The ImageNet weights are those of RGB pictures
# scaled to unit variance, while DSFD takes BGR 0..255 minus the mean: the first layers learn anew.
model = dict(
    type='llv.DSFD',
    preset='release',
    depth=152,
    width=1.0,
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor', mean=[104, 117, 123], std=[1, 1, 1], bgr_to_rgb=False
    ),
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet152'),
    ),
)
