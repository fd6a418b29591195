# PSENet without labels, with ERL (ours): the references that its results are related to are its own pseudo-targets. The
# BCM comes from batches of 4 well-exposed pictures of SICE, the relation here is that of 64.
_base_ = '../psenet/psenet_sice.py'
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
