# Zero-DCE on the 2 002 pictures of SICE part 1 that its authors distribute, without labels, by their recipe. Tested,
# not validated, on the pairs of part 2.
_base_ = [
    '../_base_/enhancers/zero_dce.py',
    '../_base_/datasets/sice_zero_dce.py',
    '../_base_/schedules/zero_dce_200e.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            # Pillow's, which is antialiased; the size is that of the code, the paper says 512
            dict(type='mmcv.Resize', scale=(256, 256), backend='pillow', interpolation='lanczos'),
            dict(type='llv.PackEnhancementInputs'),
        ]
    ),
)
val_dataloader = None
val_evaluator = None
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=10))
log_processor = dict(by_epoch=True)
