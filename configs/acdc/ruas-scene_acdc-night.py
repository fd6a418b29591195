# The scene module of RUAS on the night pictures of ACDC for training, without labels, by the published recipe.
_base_ = [
    '../_base_/enhancers/ruas.py',
    '../_base_/schedules/ruas_800.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer={{_base_.enhancer}})
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/ACDC/',
        # with the folders of its recordings; the daylight references lie beside it, in `train_ref`
        data_prefix=dict(img='rgb_anon/night/train'),
        expected=400,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(320, 320)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
