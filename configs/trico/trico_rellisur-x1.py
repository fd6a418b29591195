# TriCo at the size of the picture, by the published settings of ×2 and ×4; the paper has no such network. What it needs
# is told in `trico_rellisur-x2.py`.
_base_ = [
    '../_base_/datasets/rellisur_x1.py',
    '../_base_/enhancer_runtime.py',
    '../_base_/schedules/trico_150k.py',
]
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.TriCo',
        scale=1,
        prior=dict(type='sam'),
        scene_loss=dict(
            type='llv.TriCoLoss',
            perceptual=dict(weights='~/.cache/torch/hub/checkpoints/vgg19-dcbb9e9d.pth'),
        ),
    ),
)
train_cfg = dict(upper_dataloader={{_base_.upper_dataloader}})
default_hooks = dict(checkpoint=dict(interval=5000, save_best='quality/psnr', rule='greater'))
