# The detector adapted behind the frozen scene module.
_base_ = [
    'ssd-small_night.py',
    '../_base_/enhancers/ruas.py',
    '../_base_/strategies/frozen.py',
]
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer={{_base_.enhancer}},
        frozen={{_base_.frozen}},
        base={{_base_.model.data_preprocessor}},
    )
)
upstream = [
    dict(config='{{ fileDirname }}/ssd-small_day.py', into='load_from', prefix=''),
    dict(config='{{ fileDirname }}/ruas-scene.py'),
]
