# ECLNet on whole night scenes of 96 pixels, too dark and too bright, in so few steps (about 0.8 seconds each on a core)
# that there is time for dozens of trainings.
_base_ = '../../erl/eclnet_night-scenes_baseline.py'
# a few pictures are quicker loaded than sent between processes
train_dataloader = dict(num_workers=0, persistent_workers=False)
# the scenes that are tested on; nothing is chosen by them, the last weights count
val_dataloader = dict(
    num_workers=0, persistent_workers=False, batch_size=10, dataset=dict(subset='test')
)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=200, val_interval=40)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[100, 150], gamma=0.5),
]
# where an interrupted training goes on; the study removes it at the end
default_hooks = dict(checkpoint=dict(interval=40, max_keep_ckpts=1))
