# The published training of the scene module: 800 steps of SGD, one picture a step, gradients clipped to 5.
# The number of steps is part of the method: the loss pulls the illumination towards the dark picture,
# so pictures get brighter all through training and 800 is an early stop, not convergence.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=800, val_interval=800)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = None
test_dataloader = None
test_evaluator = None
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.015, momentum=0.9, weight_decay=3e-4),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = None
