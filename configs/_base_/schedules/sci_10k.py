# The published training of SCI, but for its length: Adam with a constant rate, one picture a step,
# gradients clipped to 5. The released code makes 1000 passes over training pictures of its own; here
# it is a number of steps, whatever the data set.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10000, val_interval=10000)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = None
test_dataloader = None
test_evaluator = None
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=3e-4, betas=(0.9, 0.999), weight_decay=3e-4),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = None
