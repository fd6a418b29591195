# Second of three steps to RUAS_A: the noise estimator, on day pictures with synthetic noise. How the published one was
# trained is unknown; this is llv's way.
_base_ = 'ruas-s_night-scenes.py'
model = dict(enhancer=dict(version='RUAS_A', train_part='estimation'))
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        data_prefix=dict(img='train/day'),
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(96, 96)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-3))
train_cfg = dict(max_iters=400, val_interval=400)
upstream = [
    dict(
        config='{{ fileDirname }}/ruas-a-scene_night-scenes.py',
        into='model.enhancer.weights',
        take='checkpoint',
        prefix='enhancer.',
    )
]
