# SID-ENC on MSEC with ERL. The published batch of 1 relates nothing, so it is 4, for as many epochs.
_base_ = '../sid/sid-enc_msec.py'
model = dict(
    regularizer=dict(type='llv.SampleRelationLoss', weights=None, loss_weight=0.1),
)
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=300000, val_interval=4420)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[150000, 225000], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=4420))
upstream = [
    dict(
        config='{{ fileDirname }}/bcm_msec.py',
        into='model.regularizer.weights',
        take='checkpoint',
        prefix='module.',
    )
]
work_dir = 'work_dirs/erl/{{ fileBasenameNoExtension }}'
