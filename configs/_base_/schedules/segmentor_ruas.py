# What RUAS's journal paper says of its segmentation: one picture a step, rate 3e-4, momenta 0.5 and 0.999, weight decay
# 5e-4, 30 epochs at most, which are 12,000 steps of 400 pictures. It names no optimizer and no schedule, and in the
# released code for other tasks these are numbers of the search: Adam at a steady rate is our reading.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=12_000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=5e-4),
    clip_grad=None,
)
param_scheduler = None
# for another number of pictures a step: `--cfg-options auto_scale_lr.enable=True`
auto_scale_lr = dict(enable=False, base_batch_size=1)
