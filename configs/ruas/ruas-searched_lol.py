# What `ruas-search_lol.py` finds, trained anew on LOL by the published recipe of the scene module; the search runs
# first. The released search trains what it found on these pictures, as here, without references.
_base_ = [
    '../_base_/schedules/ruas_800.py',
    '../_base_/enhancer_runtime.py',
]
model = dict(type='llv.EnhancementModel', enhancer=dict(type='llv.RUAS', version='RUAS'))
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='llv.LOLDataset',
        data_root='data/LOL',
        version='v1',
        subset='train',
        pipeline=[dict(type='llv.LoadPicture'), dict(type='llv.PackEnhancementInputs')],
    ),
)
upstream = [
    dict(
        config='{{ fileDirname }}/ruas-search_lol.py',
        take='genotype',
        into=['model.enhancer.scene_genotype', 'model.enhancer.noise_genotype'],
    )
]
