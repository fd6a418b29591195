# The day detector adapted to labelled night pictures; the matrix says how many.
_base_ = 's3fd-small_day.py'
max_iters = 80
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
train_dataloader = dict(
    dataset=dict(ann_file='annotations/adapt_night.json', data_prefix=dict(img='adapt/image/'))
)
test_dataloader = dict(
    dataset=dict(ann_file='annotations/val_night.json', data_prefix=dict(img='val/image/'))
)
