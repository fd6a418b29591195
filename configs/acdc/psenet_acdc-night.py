# PSENet on the night pictures of ACDC for training, without labels, by its recipe for SICE: pictures shrunk to
# 256 × 256, as many steps as 140 epochs of 2,002 pictures. The rate stays: the loss is not awaited to stall.
_base_ = ['../_base_/enhancers/psenet.py', '../_base_/enhancer_runtime.py']
model = dict(type='llv.PseudoTargetModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/ACDC/',
        # with the folders of its recordings; the daylight references lie beside it, in `train_ref`
        data_prefix=dict(img='rgb_anon/night/train'),
        expected=400,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.ResizePair', size=(256, 256)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=4480, val_interval=4480)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = None
test_dataloader = None
test_evaluator = None
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.99)))
param_scheduler = None
custom_hooks = [dict(type='llv.PseudoTargetHook')]
