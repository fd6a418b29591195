# DeepLabv3+ on ResNet-101, fine-tuned from Cityscapes on NightCity.
_base_ = [
    '../_base_/models/deeplabv3plus_r101.py',
    '../_base_/datasets/night_city.py',
    '../_base_/schedules/segmentor_40k.py',
    '../_base_/segmentor_runtime.py',
]
model = dict(pretrained=None)  # the checkpoint has the backbone
# mmseg's deeplabv3plus_r101-d8_4xb2-40k_cityscapes-512x1024; where to get it is in the README
load_from = 'checkpoints/deeplabv3plus_r101-d8_512x1024_40k_cityscapes_20200605_094614-3769eecf.pth'
