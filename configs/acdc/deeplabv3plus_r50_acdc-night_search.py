# Scene module and feature conversion of DeepLabv3+ searched together on the night pictures of ACDC, from weights of
# Cityscapes whose encoder stays as it is. Half of the training pictures train, the others, of other drives, judge.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/acdc_night.py',
    '../_base_/schedules/search_high_level.py',
    '../_base_/segmentor_runtime.py',
]
model = dict(
    pretrained=None,  # the checkpoint has the backbone
    # dilations 6, 12 and 18 belong to an output stride of 16; this encoder has 8
    decode_head=dict(type='llv.SearchableASPPHead', dilation_scale=2, genotype=None),
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype='search'),
        base={{_base_.model.data_preprocessor}},
    ),
)
# without `PhotoMetricDistortion`, which shifts brightness by more than many a night signal
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='llv.CheckLabelMap'),
    dict(type='RandomResize', scale=(1920, 1080), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 1024), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=1, dataset=dict(pipeline=pipeline, indices=200))
# the supernet is not tested
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
tta_model = tta_pipeline = None
train_cfg = dict(
    max_iters=30 * 200,
    task=['decode_head'],
    check_interval=200,
    valid_dataloader=dict(
        batch_size=1,
        num_workers=2,
        persistent_workers=True,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='llv.ACDCDataset',
            data_root='data/ACDC/',
            conditions=('night',),
            subset='train',
            pipeline=pipeline,
            indices=-200,
        ),
    ),
)
# mmseg's deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024; where to get it is in the README
load_from = 'checkpoints/deeplabv3plus_r50-d8_512x1024_40k_cityscapes_20200605_094610-d222ffcd.pth'
