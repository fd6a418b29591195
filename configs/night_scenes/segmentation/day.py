# The day segmentor: 3,000 labelled day pictures of 96 pixels. Every cell of the study starts from it.
_base_ = [
    '../../_base_/models/deeplabv3plus_small.py',
    '../../_base_/datasets/night_scenes_seg_96.py',
    '../../_base_/schedules/small_detector.py',
    '../../_base_/small_segmentor_runtime.py',
]
max_iters = 2000
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
val_cfg = None
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
test_dataloader = dict(dataset=dict(data_prefix=dict(img_path='val/day')))
