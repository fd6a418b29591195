# TriCo at ×2 on Cityscapes, darkened and shrunk: to test what RELLISUR has trained.
_base_ = ['../_base_/datasets/cityscapes_dark_enhancement.py', '../_base_/enhancer_runtime.py']
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(type='llv.TriCo', scale=2, prior=dict(type='sam')),
)
train_dataloader = None
val_dataloader = None
val_evaluator = None
train_cfg = None
test_cfg = dict(type='TestLoop')
