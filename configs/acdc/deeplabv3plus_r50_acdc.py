# DeepLabv3+ on ResNet-50, fine-tuned from Cityscapes on all four conditions of ACDC; official train and validation
# pictures, 19 classes.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/acdc.py',
    '../_base_/schedules/segmentor_40k.py',
    '../_base_/segmentor_runtime.py',
]
model = dict(pretrained=None)  # the checkpoint has the backbone
# mmseg's deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024; where to get it is in the README
load_from = 'checkpoints/deeplabv3plus_r50-d8_512x1024_40k_cityscapes_20200605_094610-d222ffcd.pth'
