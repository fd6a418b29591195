# ECLNet on night scenes of 96 pixels, too dark and too bright, with crops and steps that leave time for 84 trainings:
# a step takes about 0.35 seconds on one core, at a crop of 96 twice as much.
_base_ = '../../erl/eclnet_night-scenes_baseline.py'
# a few pictures are quicker loaded than sent between processes
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.RandomCrop', size=(64, 64)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
# the scenes that are tested on; nothing is chosen by them, the last weights count
val_dataloader = dict(
    num_workers=0, persistent_workers=False, batch_size=10, dataset=dict(subset='test')
)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=210, val_interval=35)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[105, 158], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=35, max_keep_ckpts=1))
