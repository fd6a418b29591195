# SID-ENC on SICE with ERL. The published batch of 1 relates nothing, so it is 4, for the same 200 epochs.
_base_ = '../sid/sid-enc_sice.py'
model = dict(
    regularizer=dict(type='llv.SampleRelationLoss', weights=None, loss_weight=0.1),
)
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=51200, val_interval=256)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[25600, 38400], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=256))
upstream = [
    dict(
        config='{{ fileDirname }}/bcm_sice.py',
        into='model.regularizer.weights',
        take='checkpoint',
        prefix='module.',
    )
]
work_dir = 'work_dirs/erl/{{ fileBasenameNoExtension }}'
