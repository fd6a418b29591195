# IAT on LOL-v1, second stage: whole pictures, from the weights of the first stage, which `upstream` trains.
_base_ = [
    '../_base_/enhancers/iat.py',
    '../_base_/datasets/lol_v1.py',
    '../_base_/schedules/iat_pictures_400e.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
upstream = [
    dict(
        config='{{ fileDirname }}/iat_lol-patches.py',
        into='model.enhancer.weights',
        take='checkpoint',
        prefix='enhancer.',
    )
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.LoadReference'),
            dict(type='llv.RandomFlips'),
            dict(type='llv.PackEnhancementInputs'),
        ]
    ),
)
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=10))
log_processor = dict(by_epoch=True)
