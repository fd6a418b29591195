# SSD300-VGG16 behind a scene module: cell of the scene module, extra layers of the neck and layers of the head are
# searched, 7 + 8 + 12 edges. In SSD300 the neck has four extra levels, in RUAS's detector two.
_base_ = 'mmdet::_base_/models/ssd300.py'
model = dict(
    neck=dict(type='llv.SearchableSSDNeck', genotype=None),
    bbox_head=dict(type='llv.SearchableSSDHead', genotype=None),
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype='search'),
        base={{_base_.model.data_preprocessor}},
    ),
)
