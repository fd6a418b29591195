# Scene module first, without labels; then everything with the task loss.
_base_ = [
    'ssd-small_night.py',
    '../_base_/enhancers/ruas.py',
    '../_base_/strategies/hierarchical.py',
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
