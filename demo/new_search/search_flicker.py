# Searches Flicker on dark photographs without labels: some move the weights, the others judge the architecture.
_base_ = '../new_enhancer/train_lantern.py'
model = dict(enhancer=dict(_delete_=True, type='demo.new_search.flicker.Flicker'))
train_dataloader = dict(batch_size=4, dataset=dict(indices=750))
judge = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_prefix=dict(img='data/night_scenes_96/unlabelled/night'),
        indices=-750,
        pipeline=[dict(type='llv.LoadPicture'), dict(type='llv.PackEnhancementInputs')],
    ),
)
train_cfg = dict(
    _delete_=True,
    type='llv.CooperativeSearchLoop',
    max_iters=300,
    valid_dataloader=judge,
    order=1,
    arch_optimizer=dict(type='Adam', lr=0.02, betas=(0.5, 0.999), weight_decay=0),
)
optim_wrapper = dict(optimizer=dict(weight_decay=1e-3))  # without decay α does not decide
