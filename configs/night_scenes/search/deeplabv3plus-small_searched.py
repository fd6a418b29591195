# What `deeplabv3plus-small.py` finds, trained on night pictures from the day segmentor, whose feature conversion does
# not fit and is trained anew, together with the scene module; the search runs first.
_base_ = [
    '../../_base_/models/deeplabv3plus_small.py',
    '../../_base_/datasets/night_scenes_seg_96.py',
    '../../_base_/schedules/small_detector.py',
    '../../_base_/small_segmentor_runtime.py',
]
# until the search is done: the published scene module, and branches as in DeepLab
model = dict(
    decode_head=dict(
        type='llv.SearchableASPPHead',
        reduction=48,
        genotype=['conv_1x1', 'conv_3x3', 'dilconv_3x3', 'dilconv_3x3_6'],
    ),
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype=None),
        base={{_base_.model.data_preprocessor}},
    ),
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
train_dataloader = dict(
    dataset=dict(data_prefix=dict(img_path='adapt/night', seg_map_path='adapt/labels'))
)
val_cfg = None
custom_hooks = [dict(type='llv.EnhancerLossHook', loss_weight=1.0)]
