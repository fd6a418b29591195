# ECLNet with its own losses on night scenes in three exposures, under- and over-exposed to the middle one; hundreds
# of steps on a CPU, at ten times the published rate.
_base_ = [
    '../_base_/enhancers/eclnet.py',
    '../_base_/datasets/night_exposures.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(batch_size=4)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99)),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[150, 225], gamma=0.5),
]
