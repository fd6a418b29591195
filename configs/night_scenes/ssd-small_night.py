# The day detector adapted to the night with few labelled night pictures.
_base_ = [
    '../_base_/models/ssd_small.py',
    '../_base_/datasets/night_scenes_night.py',
    '../_base_/schedules/small_detector.py',
    '../_base_/small_detector_runtime.py',
]
max_iters = 150
labelled = 48
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_dataloader = dict(dataset=dict(indices=labelled))
