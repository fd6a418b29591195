# Zero-DCE trained on PSENet's targets in place of its own losses (table 2 of the paper), with the smoothness of its
# curves as Zero-DCE weighs it. The paper does not state its weight.
_base_ = [
    '../_base_/enhancers/zero_dce.py',
    '../_base_/datasets/sice_zero_dce.py',
    '../_base_/schedules/psenet_sice.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(
    type='llv.PseudoTargetModel',
    enhancer={{_base_.enhancer}},
    # 200 · 2 · 24 curves
    loss=dict(
        type='llv.PseudoTargetLoss', smooth_weight=9600, map_name='curves', smoothness='plain'
    ),
)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=10))
log_processor = dict(by_epoch=True)
