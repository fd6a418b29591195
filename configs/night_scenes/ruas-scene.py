# The scene module alone, on unlabelled night pictures, by RUAS's published recipe.
_base_ = [
    '../_base_/enhancers/ruas.py',
    '../_base_/schedules/ruas_800.py',
    '../_base_/enhancer_runtime.py',
]
data_root = 'data/night_scenes/'
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root=data_root,
        data_prefix=dict(img='unlabelled/night'),
        pipeline=[dict(type='mmcv.LoadImageFromFile'), dict(type='llv.PackEnhancementInputs')],
    ),
)
