# Behind MeanMatch, which has nothing to train.
_base_ = [
    'ssd-small_night.py',
    '../_base_/enhancers/mean_match.py',
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
]
