# Zero-DCE by its four losses, on night scenes without references; hundreds of steps on a CPU, at ten times the
# published rate.
_base_ = [
    '../_base_/enhancers/zero_dce.py',
    '../_base_/datasets/night_scenes_pairs.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
# night pictures alone: no reference is used
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        data_prefix=dict(_delete_=True, img='train/night'),
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(96, 96)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=400, val_interval=400)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2),
)
param_scheduler = None
