# The same on the task mix: the references of LOL (485), of FiveK's 4 500 training pictures and of SICE (512), each
# once; 100 epochs of 1 374 batches.
_base_ = 'bcm-reconstruction_sice.py'
pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.RandomCrop', size=(256, 256)),
    dict(type='llv.RandomFlips'),
    dict(type='llv.PackEnhancementInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='llv.PictureFolder',
                data_root='data/LOL',
                data_prefix=dict(img='our485/high'),
                expected=485,
                pipeline=pipeline,
            ),
            # the retouched pictures in the place of the inputs; the protocol leaves the tested ones out
            dict(
                type='llv.FiveKDataset',
                data_root='data/FiveK',
                data_prefix=dict(img='high'),
                protocol='fecnet',
                subset='train',
                paired=False,
                pipeline=pipeline,
            ),
            dict(
                type='llv.PictureFolder',
                data_root='data/SICE_exposures',
                data_prefix=dict(img='train/mid'),
                expected=512,
                pipeline=pipeline,
            ),
        ],
    ),
)
train_cfg = dict(max_iters=137400)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[68700, 103050], gamma=0.5),
]
default_hooks = dict(checkpoint=dict(interval=13740))
