# DeepLabv3+ on ResNet-101; see `deeplabv3plus_r50.py` for its normalisation.
_base_ = 'deeplabv3plus_r50.py'
model = dict(pretrained='open-mmlab://resnet101_v1c', backbone=dict(depth=101))
