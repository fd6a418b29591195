# The second stage of the cascade: a network that enlarges well-lit pictures, of the size of TriCo (it has no regulator,
# and wider feed-forward layers), trained with equal weights and as many passes as TriCo's three levels take.
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
        ffn_expansion=3.4375,
        use_lii=False,
        prior='none',
        scene_loss=dict(type='llv.TriCoLoss', perceptual=None, leave_out=('srl',)),
    ),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/night_coupled_48',
        data_prefix=dict(img='Train/NLHR/X1', reference='Train/NLHR/X2'),
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.CoupledRandomCrop', size=24, scale=2),
            dict(type='llv.CoupledFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=957, val_interval=957)
val_cfg = None
val_dataloader = None
val_evaluator = None
test_cfg = None
test_dataloader = None
test_evaluator = None
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-3), clip_grad=dict(max_norm=0.01)
)
# that of `trico.py`, stretched
param_scheduler = [
    dict(
        type='CosineRestartLR',
        by_epoch=False,
        begin=319,
        end=957,
        periods=[146, 493],
        restart_weights=[0.5, 0.5],
        eta_min=1e-5,
    )
]
# quickly trained again
default_hooks = dict(checkpoint=dict(interval=-1, save_last=False))
