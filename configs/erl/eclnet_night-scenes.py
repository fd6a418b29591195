# ECLNet on night scenes in three exposures with ERL, on a CPU.
_base_ = 'eclnet_night-scenes_baseline.py'
model = dict(
    regularizer=dict(type='llv.SampleRelationLoss', weights=None, loss_weight=0.1),
)
upstream = [
    dict(
        config='{{ fileDirname }}/bcm_night-scenes.py',
        into='model.regularizer.weights',
        take='checkpoint',
        prefix='module.',
    )
]
work_dir = 'work_dirs/erl/{{ fileBasenameNoExtension }}'
