# Scene module and noise removal of RUAS with the published cells, trained together by the published recipe of the scene
# module on unlabelled night pictures of 96 pixels. The study puts other cells in their place.
_base_ = [
    '../../_base_/schedules/ruas_800.py',
    '../../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer=dict(type='llv.RUAS', version='RUAS'))
train_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/night_scenes_96/',
        data_prefix=dict(img='unlabelled/night'),
        pipeline=[dict(type='llv.LoadPicture'), dict(type='llv.PackEnhancementInputs')],
    ),
)
