# PSENet without labels on night scenes; hundreds of steps on a CPU. The references of the pairs are only for the
# `target_psnr` of the logs and for validation.
_base_ = [
    '../_base_/enhancers/psenet.py',
    '../_base_/datasets/night_scenes_pairs.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.PseudoTargetModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.RandomCrop', size=(96, 96)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=400, val_interval=400)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# at four times the published rate, which starts with a long plateau
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-3, betas=(0.9, 0.99)))
param_scheduler = None
custom_hooks = [dict(type='llv.PseudoTargetHook')]
