# TriCo at ×2 on RELLISUR by the published settings. It needs two files: `mobile_sam.pt` in ~/.cache/llv/weights, or
# where `model.enhancer.prior.weights` says, and torchvision's VGG19, which lies where torchvision puts it, or where
# `model.enhancer.scene_loss.perceptual.weights` says. Without one of them the first iteration ends with a sentence.
_base_ = [
    '../_base_/datasets/rellisur_x2.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/trico_150k.py',
]
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.TriCo',
        scale=2,
        prior=dict(type='sam'),
        scene_loss=dict(
            type='llv.TriCoLoss',
            perceptual=dict(weights='~/.cache/torch/hub/checkpoints/vgg19-dcbb9e9d.pth'),
        ),
    ),
)
train_cfg = dict(upper_dataloader={{_base_.upper_dataloader}})
default_hooks = dict(checkpoint=dict(interval=5000, save_best='quality/psnr', rule='greater'))
