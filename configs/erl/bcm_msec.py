# The second stage, with data, batch and steps of the first one.
_base_ = 'bcm-reconstruction_msec.py'
model = dict(stage='pretext', pretext='phase', wrap=True, weights=None)
optim_wrapper = dict(optimizer=dict(lr=1e-5), clip_grad=dict(max_norm=1.0))
upstream = [
    dict(
        config='{{ fileDirname }}/bcm-reconstruction_msec.py',
        into='model.weights',
        take='checkpoint',
        prefix='module.',
    )
]
