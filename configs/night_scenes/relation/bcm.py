# Its transformer, by the pretext of the arm, with the batch of the host.
_base_ = '../../erl/bcm_night-scenes.py'
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
train_cfg = dict(max_iters=200)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[100, 150], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False))
upstream = [
    dict(
        config='{{ fileDirname }}/bcm-reconstruction.py',
        into='model.weights',
        take='checkpoint',
        prefix='module.',
    )
]
