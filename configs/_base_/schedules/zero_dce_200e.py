# The published training of Zero-DCE: 200 epochs of Adam at a constant rate, gradients clipped to a norm of 0.1.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200)
val_cfg = None
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2),
)
param_scheduler = None
