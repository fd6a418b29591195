# First stage of ERL's batch-correlation module (BCM): encoder and decoder learn to reproduce well-exposed pictures.
# The middle exposures of SICE's 512 training scenes, each once: with the 30 that llv holds out, whose under- and
# over-exposed pictures it never sees. 100 epochs of batch 4; widths and rates are ours.
_base_ = '../_base_/enhancer_runtime.py'
model = dict(
    type='llv.BatchCorrelationModel',
    module=dict(type='llv.BatchCorrelationModule'),
    stage='reconstruction',
)
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/SICE_exposures',
        data_prefix=dict(img='train/mid'),
        expected=512,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(256, 256)),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=12800)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99)),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[6400, 9600], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=1280))
