# What `ssd-small.py` finds, trained on night pictures from the day detector, whose neck and head do not fit and are
# trained anew, together with the scene module; the search runs first.
_base_ = [
    '../../_base_/models/ssd_small.py',
    '../../_base_/datasets/night_scenes_night.py',
    '../../_base_/schedules/small_detector.py',
    '../../_base_/small_detector_runtime.py',
]
# until the search is done: the published scene module, and the neck and head of SSD
model = dict(
    neck=dict(type='llv.SearchableSSDNeck', genotype=['conv_1x1', 'conv_3x3'] * 2),
    bbox_head=dict(type='llv.SearchableSSDHead', genotype=['conv_3x3'] * 8),
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype=None),
        base={{_base_.model.data_preprocessor}},
    ),
)
upstream = [
    dict(config='{{ fileDirname }}/../ssd-small_day.py', into='load_from', prefix=''),
    dict(
        config='{{ fileDirname }}/ssd-small.py',
        take='genotype',
        into=[
            'model.data_preprocessor.enhancer.scene_genotype',
            'model.neck.genotype',
            'model.bbox_head.genotype',
        ],
    ),
]
custom_hooks = [dict(type='llv.EnhancerLossHook', loss_weight=1.0)]
