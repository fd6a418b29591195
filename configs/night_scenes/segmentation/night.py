# The day segmentor adapted to labelled night pictures; the study says how many and for how long.
_base_ = 'day.py'
max_iters = 200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
train_dataloader = dict(
    dataset=dict(data_prefix=dict(img_path='adapt/night', seg_map_path='adapt/labels'))
)
test_dataloader = dict(dataset=dict(data_prefix=dict(img_path='val/night')))
