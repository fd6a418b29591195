# What `deeplabv3plus_r50_acdc-night_search.py` finds, trained anew from weights of Cityscapes, which have no feature
# conversion, scene module included; the search runs first.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/acdc_night.py',
    '../_base_/schedules/segmentor_40k.py',
    '../_base_/segmentor_runtime.py',
]
# until the search is done: the published scene module, and the rates of DeepLab
model = dict(
    pretrained=None,  # the checkpoint has the backbone
    decode_head=dict(
        type='llv.SearchableASPPHead',
        dilation_scale=2,
        genotype=['conv_1x1', 'dilconv_3x3_6', 'dilconv_3x3_12', 'dilconv_3x3_18'],
    ),
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype=None),
        base={{_base_.model.data_preprocessor}},
        # in the place of the distortion before the enhancer
        distortion=dict(type='llv.PhotoMetricDistortion'),
    ),
)
upstream = [
    dict(
        config='{{ fileDirname }}/deeplabv3plus_r50_acdc-night_search.py',
        take='genotype',
        into=[
            'model.data_preprocessor.enhancer.scene_genotype',
            'model.decode_head.genotype',
        ],
    )
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='llv.CheckLabelMap'),
            dict(type='RandomResize', scale=(1920, 1080), ratio_range=(0.5, 2.0), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(512, 1024), cat_max_ratio=0.75),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]
    )
)
custom_hooks = [dict(type='llv.EnhancerLossHook', loss_weight=1.0)]
# mmseg's deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024; where to get it is in the README
load_from = 'checkpoints/deeplabv3plus_r50-d8_512x1024_40k_cityscapes_20200605_094610-d222ffcd.pth'
