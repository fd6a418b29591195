# Cityscapes (2,975 to train on, 500 to measure on), darkened: no official dark version exists, and this one is ours.
# Pictures are darkened right after loading, as if taken at night, with the gamma curve, linear scaling and noise that
# the literature uses (gamma 2 to 5); geometry follows. In training the strength is drawn for each picture; in testing
# it is the middle of the same ranges for all, with noise seeded by picture: two runs measure on the same pictures.
# Label ids have to be converted once with tools/dataset_converters/label_ids_to_train_ids.py.
# Needs `default_scope = 'mmseg'` (`_base_/segmentor_runtime.py`). `LoadImageFromFile` and `LoadAnnotations` keep their
# plain names, because mmseg's inferencer looks for the literal names, replaces the one and takes out the other.
dataset_type = 'llv.CityscapesDataset'
data_root = 'data/cityscapes/'
crop_size = (512, 1024)
darken_train = dict(
    type='llv.SyntheticLowLight', mode='gamma', gamma=(2, 5), scale=(0.5, 1), noise=(0, 0.03)
)
darken_test = dict(
    type='llv.SyntheticLowLight',
    mode='gamma',
    gamma=(3.5, 3.5),
    scale=(0.75, 0.75),
    noise=(0.015, 0.015),
)

# `PhotoMetricDistortion` shifts brightness by up to 32 levels, more than the mean level of many night
# pictures, and does so before an enhancer sees them. In front of an enhancer leave it out with
#   --cfg-options train_dataloader.dataset.pipeline.7.prob=0
# or distort the enhanced picture, by that and, beside `--enhancer`,
#   model.data_preprocessor.distortion.type=llv.PhotoMetricDistortion
# In a comparison, all arms alike.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    darken_train,
    dict(type='LoadAnnotations'),
    dict(type='llv.CheckLabelMap'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomApply', transforms=[dict(type='PhotoMetricDistortion')], prob=1.0),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    darken_test,
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    # after Resize: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations'),
    dict(type='llv.CheckLabelMap'),
    dict(type='PackSegInputs'),
]
img_ratios = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    darken_test,
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=ratio, keep_ratio=True) for ratio in img_ratios],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='llv.CheckLabelMap')],
            [dict(type='PackSegInputs')],
        ],
    ),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    # the same noise at every validation
    sampler=dict(
        type='llv.SeededSampler', seed=0, sampler=dict(type='DefaultSampler', shuffle=False)
    ),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# percentages, 0 to 100
val_evaluator = dict(type='llv.PerClassIoUMetric')
test_evaluator = [dict(type='llv.PerClassIoUMetric'), dict(type='llv.RegionIoUMetric')]
