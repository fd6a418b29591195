# Lantern, trained without labels on a folder of dark photographs.
_base_ = 'llv::_base_/enhancer_runtime.py'
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(type='demo.new_enhancer.lantern.Lantern'),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_prefix=dict(img='data/night_scenes_96/unlabelled/night'),
        pipeline=[dict(type='llv.LoadPicture'), dict(type='llv.PackEnhancementInputs')],
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=400)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=3e-3))
