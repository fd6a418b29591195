# Second stage of the BCM: behind the frozen encoder, the transformer that relates the pictures of a batch learns to
# give the decoder features with the phase of the input. Data, batch and steps are those of the first stage; the rate
# and the clipping are ours: higher rates diverge.
_base_ = 'bcm-reconstruction_sice.py'
model = dict(stage='pretext', pretext='phase', wrap=True, weights=None)
optim_wrapper = dict(optimizer=dict(lr=1e-5), clip_grad=dict(max_norm=1.0))
upstream = [
    dict(
        config='{{ fileDirname }}/bcm-reconstruction_sice.py',
        into='model.weights',
        take='checkpoint',
        prefix='module.',
    )
]
