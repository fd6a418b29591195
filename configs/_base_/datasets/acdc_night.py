# ACDC at night: the official train (400) and val (106) pictures, 19 classes of Cityscapes. The official test
# pictures (500) have no public labels: `test_dataloader.dataset.subset=test` and `llv.LabelMapExport` write label
# maps of them for the server.
# Needs `default_scope = 'mmseg'` (`_base_/segmentor_runtime.py`). `LoadImageFromFile` and `LoadAnnotations` keep their
# plain names, because mmseg's inferencer looks for the literal names, replaces the one and takes out the other.
dataset_type = 'llv.ACDCDataset'
data_root = 'data/ACDC/'
crop_size = (512, 1024)

# `PhotoMetricDistortion` shifts brightness by up to 32 levels, more than the mean level of many night
# pictures, and does so before an enhancer sees them. In front of an enhancer leave it out with
#   --cfg-options train_dataloader.dataset.pipeline.6.prob=0
# or distort the enhanced picture, by that and, beside `--enhancer`,
#   model.data_preprocessor.distortion.type=llv.PhotoMetricDistortion
# In a comparison, all arms alike.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='llv.CheckLabelMap'),
    dict(type='RandomResize', scale=(1920, 1080), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomApply', transforms=[dict(type='PhotoMetricDistortion')], prob=1.0),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1920, 1080), keep_ratio=True),
    # after Resize: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations'),
    dict(type='llv.CheckLabelMap'),
    dict(type='PackSegInputs'),
]
img_ratios = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
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
        conditions=('night',),
        subset='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        conditions=('night',),
        subset='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# percentages, 0 to 100
val_evaluator = dict(type='llv.PerClassIoUMetric')
test_evaluator = [
    dict(type='llv.PerClassIoUMetric', views=('acdc_night_19', 'acdc_night_17', 'acdc_night_15')),
    dict(type='llv.RegionIoUMetric'),
]
