# PSENet without labels on the pictures of SICE part 1 that are distributed with Zero-DCE, by the published recipe.
_base_ = [
    '../_base_/enhancers/psenet.py',
    '../_base_/datasets/sice_zero_dce.py',
    '../_base_/schedules/psenet_sice.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.PseudoTargetModel', enhancer={{_base_.enhancer}})
# as published, nothing is validated and no checkpoint is chosen
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=10))
log_processor = dict(by_epoch=True)
