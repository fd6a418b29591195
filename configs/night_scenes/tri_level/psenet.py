# The first stage of the cascade: PSENet without references on the dark pictures of the training scenes, by the recipe
# of `../label_efficiency/psenet.py`.
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
        type='llv.RELLISURDataset',
        data_root='data/night_coupled_48',
        subset='train',
        paired=False,
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
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-3, betas=(0.9, 0.99)))
param_scheduler = None
custom_hooks = [dict(type='llv.PseudoTargetHook')]
# quickly trained again
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False))
