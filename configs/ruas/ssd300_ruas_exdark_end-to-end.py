_base_ = [
    '../ssd/ssd300_exdark.py',
    '../_base_/enhancers/ruas.py',
    '../_base_/strategies/end_to_end.py',
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
