# The scene module of RUAS by its published recipe (800 steps of one picture), on night scenes without references.
_base_ = [
    '../_base_/enhancers/ruas.py',
    '../_base_/datasets/night_scenes_pairs.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
# night pictures alone: no reference is used
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        data_prefix=dict(_delete_=True, img='train/night'),
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=800, val_interval=800)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.015, momentum=0.9, weight_decay=3e-4),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = None
