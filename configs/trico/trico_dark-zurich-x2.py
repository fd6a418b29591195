# TriCo at ×2 on the night pictures of Dark Zurich, which have no references: to test what RELLISUR has trained.
_base_ = ['../_base_/datasets/dark_zurich_enhancement.py', '../_base_/enhancer_runtime.py']
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(type='llv.TriCo', scale=2, prior=dict(type='sam')),
)
train_cfg = None
test_cfg = dict(type='TestLoop')
