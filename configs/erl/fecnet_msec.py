# FECNet on MSEC with ERL. Batch 4 as in all of ERL, so twice the steps for the same 160 epochs.
_base_ = '../fecnet/fecnet_msec.py'
model = dict(
    regularizer=dict(type='llv.SampleRelationLoss', weights=None, loss_weight=0.1),
)
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_iters=707200, val_interval=4420)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[353600, 530400], gamma=0.5),
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
