# A small TriCo at ×2 on pairs of the training scenes: all losses of the paper but the perceptual one, which needs a
# file, at equal weights. Three levels spend four to five times as many passes an iteration.
_base_ = '../../_base_/enhancer_runtime.py'
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.TriCo',
        scale=2,
        width=16,
        illumination_width=8,
        blocks=(1, 1, 1, 1),
        heads=(1, 2, 2, 2),
        prior='none',
        scene_loss=dict(type='llv.TriCoLoss', perceptual=None),
    ),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.RELLISURDataset',
        data_root='data/night_half_size/',
        subset='train',
        scale=2,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.CoupledRandomCrop', size=32, scale=2),
            dict(type='llv.CoupledFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
max_iters = 1500
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = None
test_dataloader = None
test_evaluator = None
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-3), clip_grad=dict(max_norm=0.01)
)
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=1e-5)
]
