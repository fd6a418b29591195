# DRBN on SICE with ERL.
_base_ = '../drbn/drbn_sice.py'
model = dict(
    regularizer=dict(type='llv.SampleRelationLoss', weights=None, loss_weight=0.1),
)
upstream = [
    dict(
        config='{{ fileDirname }}/bcm_sice.py',
        into='model.regularizer.weights',
        take='checkpoint',
        prefix='module.',
    )
]
work_dir = 'work_dirs/erl/{{ fileBasenameNoExtension }}'
