# DeepLabv3+ on ResNet-50 on the night pictures of ACDC in the numbers of RUAS's journal paper: 400 and 106 of the 506
# with labels, our seeded list, with what it says of its training. The 19 outputs stay, as in the weights of Cityscapes;
# reported are its 17 classes. The paper starts from weights of DeepLabv3+'s authors; mmseg's stand in for them.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/acdc_night_ruas.py',
    '../_base_/schedules/segmentor_ruas.py',
    '../_base_/segmentor_runtime.py',
]
model = dict(pretrained=None)  # the checkpoint has the backbone
train_dataloader = dict(batch_size=1)
# mmseg's deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024; where to get it is in the README
load_from = 'checkpoints/deeplabv3plus_r50-d8_512x1024_40k_cityscapes_20200605_094610-d222ffcd.pth'
