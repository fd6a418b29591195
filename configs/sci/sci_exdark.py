# SCI in its three training stages on the pictures of ExDark's training split; no label is used.
# Behind it, `weights=` of a one-stage SCI takes the checkpoint and leaves the calibrator out.
_base_ = [
    '../_base_/schedules/sci_10k.py',
    '../_base_/enhancer_runtime.py',
]
enhancer = dict(type='llv.SCI', training_stages=3)
model = dict(type='llv.EnhancementModel', enhancer=enhancer)
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
