# Scene module and feature conversion of the small DeepLabv3+ searched together: `deeplabv3plus-small_plain.py` with a
# scene module in front.
_base_ = 'deeplabv3plus-small_plain.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype='search'),
        base={{_base_.model.data_preprocessor}},
    )
)
