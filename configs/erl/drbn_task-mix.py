# DRBN on the task mix with ERL.
_base_ = 'drbn_task-mix_baseline.py'
model = dict(
    regularizer=dict(type='llv.SampleRelationLoss', weights=None, loss_weight=0.1),
)
upstream = [
    dict(
        config='{{ fileDirname }}/bcm_task-mix.py',
        into='model.regularizer.weights',
        take='checkpoint',
        prefix='module.',
    )
]
