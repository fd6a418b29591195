# Encoder and decoder of the batch-correlation module, on the references of the same scenes; once a seed.
_base_ = '../../erl/bcm-reconstruction_night-scenes.py'
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(64, 64)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(max_iters=1500)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[750, 1125], gamma=0.5),
]
# quickly trained again, and 300 MB with the state of the optimizer
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False))
