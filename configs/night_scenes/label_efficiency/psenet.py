# PSENet on 1,500 unlabelled night pictures.
_base_ = [
    '../../_base_/enhancers/psenet.py',
    '../../_base_/enhancer_runtime.py',
]
model = dict(type='llv.PseudoTargetModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/night_scenes_96/',
        data_prefix=dict(img='unlabelled/night'),
        pipeline=[dict(type='llv.LoadPicture'), dict(type='llv.PackEnhancementInputs')],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=500, val_interval=500)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = None
test_dataloader = None
test_evaluator = None
# at four times the published rate, which starts with a long plateau
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-3, betas=(0.9, 0.99)))
param_scheduler = None
custom_hooks = [dict(type='llv.PseudoTargetHook')]
