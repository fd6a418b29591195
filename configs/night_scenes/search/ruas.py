# Scene module and noise removal of RUAS searched together on unlabelled night pictures, with the numbers of the
# released search; half of the pictures train, the other half judges.
_base_ = '../../_base_/enhancer_runtime.py'
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.RUAS', version='RUAS', scene_genotype='search', noise_genotype='search'
    ),
)
train_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/night_scenes/',
        data_prefix=dict(img='unlabelled/night'),
        indices=200,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(128, 128)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
valid_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/night_scenes/',
        data_prefix=dict(img='unlabelled/night'),
        indices=-200,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(128, 128)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
train_cfg = dict(
    type='llv.CooperativeSearchLoop',
    max_iters=2000,
    valid_dataloader=valid_dataloader,
    beta=1.0,
    task_interval=10,
    # only the virtual step: the released search trains ω at a constant rate and without decay
    step_size=(0.005, 0.001),
    virtual_weight_decay=3e-4,
    arch_optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3),
    check_interval=200,
    stop_after=None,
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = None
