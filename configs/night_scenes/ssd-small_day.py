# The small detector by day: the starting point of everything that is adapted to the night.
_base_ = [
    '../_base_/models/ssd_small.py',
    '../_base_/datasets/night_scenes_day.py',
    '../_base_/schedules/small_detector.py',
    '../_base_/small_detector_runtime.py',
]
max_iters = 800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
