# DeepLabv3+ on ResNet-50 on the night pictures of Dark Zurich, to be tested only: with weights of Cityscapes or of
# `configs/acdc`.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/dark_zurich.py',
    '../_base_/segmentor_runtime.py',
]
model = dict(pretrained=None)
train_dataloader = None
train_cfg = None
optim_wrapper = None
val_dataloader = None
val_cfg = None
val_evaluator = None
test_cfg = dict(type='TestLoop')
