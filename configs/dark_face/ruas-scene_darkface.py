# The scene module of RUAS's detector on the training pictures of DARK FACE, without labels, by the published recipe.
_base_ = [
    '../_base_/schedules/ruas_800.py',
    '../_base_/enhancer_runtime.py',
]
# the genotype of the released detector; `variant='journal'` is the scene module that enhances
enhancer = dict(type='llv.RUAS', variant='detection')
model = dict(type='llv.EnhancementModel', enhancer=enhancer)
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.DarkFaceDataset',
        data_root='data/DarkFace/',
        protocol='darkface_ruas',
        subset='train',
        labelled=False,
        pipeline=[
            dict(type='llv.LoadPicture'),
            dict(type='llv.RandomCrop', size=(320, 320)),
            dict(type='llv.PackEnhancementInputs'),
        ],
    ),
)
