# Scene module and noise removal of RUAS searched together on unlabelled night pictures of 96 pixels; half of the
# pictures train, the other half judges.
_base_ = '../../_base_/enhancer_runtime.py'
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(
        type='llv.RUAS', version='RUAS', scene_genotype='search', noise_genotype='search'
    ),
)
train_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/night_scenes_96/',
        data_prefix=dict(img='unlabelled/night'),
        indices=750,
        pipeline=[dict(type='llv.LoadPicture'), dict(type='llv.PackEnhancementInputs')],
    ),
)
valid_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/night_scenes_96/',
        data_prefix=dict(img='unlabelled/night'),
        indices=-750,
        pipeline=[dict(type='llv.LoadPicture'), dict(type='llv.PackEnhancementInputs')],
    ),
)
train_cfg = dict(
    type='llv.CooperativeSearchLoop',
    max_iters=600,
    valid_dataloader=valid_dataloader,
    beta=1.0,
    # the released search takes 20 epochs in second order, with the noise removal in every tenth step, and 3e-4 and a
    # decay of 1e-3 for α: Adam would move it by 0.2 or so in as few steps as here, and the decay outweighs what small
    # losses say, so that no edge would decide
    order=1,
    task_interval=2,
    arch_optimizer=dict(type='Adam', lr=0.02, betas=(0.5, 0.999), weight_decay=0),
    check_interval=100,
)
optim_wrapper = dict(
    type='OptimWrapper',
    # without decay α does not decide (docs/search_planted.md)
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=0.03),
    clip_grad=dict(max_norm=5, norm_type=2),
)
param_scheduler = None
