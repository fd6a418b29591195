# The scene module alone on the pictures of ExDark's training split; no label is used.
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
        type='llv.ExDarkDataset',
        data_root='data/ExDark/',
        ann_file='imageclasslist.txt',
        data_prefix=dict(img='images', ann='annotations'),
        protocol='exdark_ruas',
        subset='train',
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(320, 320)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
