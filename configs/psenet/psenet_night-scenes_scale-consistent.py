# What `psenet-night-scenes` was trained by: PSENet on night scenes without labels, also to predict the same gamma map
# from a picture of a quarter of the side, for `estimate_scale=0.25`.
_base_ = 'psenet_night-scenes.py'
model = dict(scale_consistency=dict(type='llv.ScaleConsistencyLoss', loss_weight=1.0, scale=0.25))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.PackEnhancementInputs'),
        ]
    )
)
train_cfg = dict(max_iters=1500, val_interval=1500)
