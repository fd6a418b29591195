# What `deeplabv3plus-small.py` finds, trained as `deeplabv3plus-small_fixed.py` with the scene module in front, by the
# losses of both; the search runs first.
_base_ = 'deeplabv3plus-small_fixed.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        # until the search is done: the published scene module
        enhancer=dict(type='llv.RUAS', scene_genotype=None),
        base={{_base_.model.data_preprocessor}},
    )
)
upstream = [
    dict(config='{{ fileDirname }}/../segmentation/day.py', into='load_from', prefix=''),
    dict(
        config='{{ fileDirname }}/deeplabv3plus-small.py',
        take='genotype',
        into=[
            'model.data_preprocessor.enhancer.scene_genotype',
            'model.decode_head.genotype',
        ],
    ),
]
custom_hooks = [dict(type='llv.EnhancerLossHook', loss_weight=1.0)]
