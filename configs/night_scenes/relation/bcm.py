# Its transformer, by the pretext of the arm, with the batch of the host; a step takes 0.3 seconds on a core.
_base_ = '../../erl/bcm_night-scenes.py'
train_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_iters=300)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[150, 225], gamma=0.5),
]
# quickly trained again, and 300 MB with the state of the optimizer
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False))
upstream = [
    dict(
        config='{{ fileDirname }}/bcm-reconstruction.py',
        into='model.weights',
        take='checkpoint',
        prefix='module.',
    )
]
