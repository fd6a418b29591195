# What the published trainings of S3FD, PyramidBox and DSFD share: SGD by steps at 640 pixels. Gradients are not
# clipped there; the limit here is far above those of a sound training and stops one bad batch.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=35, norm_type=2),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
