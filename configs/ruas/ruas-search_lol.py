# Scene module and noise removal of RUAS searched together on LOL, with the numbers of the released search: 20 epochs of
# one crop of 320 pixels a step. Dark pictures alone are used; half of them train, the other half judges.
_base_ = '../_base_/enhancer_runtime.py'
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.RUAS', version='RUAS', scene_genotype='search', noise_genotype='search'
    ),
)
pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.RandomCrop', size=(320, 320)),
    dict(type='llv.PackEnhancementInputs'),
]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.LOLDataset',
        data_root='data/LOL',
        version='v1',
        subset='train',
        indices=243,
        pipeline=pipeline,
    ),
)
valid_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.LOLDataset',
        data_root='data/LOL',
        version='v1',
        subset='train',
        indices=-242,
        pipeline=pipeline,
    ),
)
train_cfg = dict(
    type='llv.CooperativeSearchLoop',
    max_iters=20 * 243,
    valid_dataloader=valid_dataloader,
    beta=1.0,
    task_interval=10,
    # only the virtual step: the released search trains ω at a constant rate and without decay
    step_size=(0.005, 0.001),
    virtual_weight_decay=3e-4,
    arch_optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3),
    check_interval=243,
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = None
