# The same on MSEC: the targets of its 3 535 training scenes (expert C), each once; 100 epochs of 883 batches.
_base_ = 'bcm-reconstruction_sice.py'
train_dataloader = dict(
    dataset=dict(
        data_root='data/MSEC',
        data_prefix=dict(img='training/GT_IMAGES'),
        expected=3535,
    ),
)
train_cfg = dict(max_iters=88300)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[44150, 66225], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=8830))
