# The second stage, with data and batch of the first one and the rate of the large ones: ten times that diverges.
_base_ = 'bcm-reconstruction_night-scenes.py'
model = dict(stage='pretext', pretext='phase', wrap=True, weights=None)
optim_wrapper = dict(optimizer=dict(lr=1e-5), clip_grad=dict(max_norm=1.0))
train_cfg = dict(max_iters=500)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[250, 375], gamma=0.5),
]
upstream = [
    dict(
        config='{{ fileDirname }}/bcm-reconstruction_night-scenes.py',
        into='model.weights',
        take='checkpoint',
        prefix='module.',
    )
]
