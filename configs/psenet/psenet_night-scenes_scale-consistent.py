# What the weights `psenet-night-scenes` were trained by: PSENet on night scenes without labels, also to predict the
# same gamma map from a picture of a quarter of the side, for `estimate_scale=0.25`, and smoother than published for
# SICE (5).
_base_ = 'psenet_night-scenes.py'
model = dict(
    enhancer=dict(scene_loss=dict(type='llv.PseudoTargetLoss', smooth_weight=20)),
    scale_consistency=dict(type='llv.ScaleConsistencyLoss', loss_weight=3.0, scale=0.25),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.RandomCrop', size=(128, 128)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(max_iters=1500, val_interval=1500)
