# PSENet without labels on MSEC, by the published recipe: fewer epochs than on SICE, and a nearly constant gamma for
# each picture and channel. Tested against expert E.
_base_ = [
    '../_base_/enhancers/psenet.py',
    '../_base_/datasets/msec.py',
    '../_base_/schedules/psenet_sice.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(
    type='llv.PseudoTargetModel',
    enhancer={{_base_.enhancer}},
    loss=dict(type='llv.PseudoTargetLoss', smooth_weight=500),
)
train_cfg = dict(max_epochs=30)
train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.ResizePair', size=(256, 256)),
            dict(type='llv.PackEnhancementInputs'),
        ]
    ),
)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    dataset=dict(
        expert='e',
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    )
)
test_evaluator = dict(protocol='psenet')
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=5))
log_processor = dict(by_epoch=True)
