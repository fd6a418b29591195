# Encoder and decoder of the batch-correlation module, on the references of the same scenes; once a seed, a minute on a
# core.
_base_ = '../../erl/bcm-reconstruction_night-scenes.py'
train_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_iters=1500)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[750, 1125], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False))  # quickly trained again
