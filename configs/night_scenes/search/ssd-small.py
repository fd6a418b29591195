# Scene module, neck and head of the small SSD searched together: `ssd-small_plain.py` with a scene module in front.
_base_ = 'ssd-small_plain.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype='search'),
        base={{_base_.model.data_preprocessor}},
    )
)
