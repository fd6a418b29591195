# Dark Zurich: the 50 publicly labelled night pictures, to test on; there are no labels to train with. Test with what
# was trained on Cityscapes or ACDC.
# Needs `default_scope = 'mmseg'` (`_base_/segmentor_runtime.py`). `LoadImageFromFile` and `LoadAnnotations` keep their
# plain names, because mmseg's inferencer looks for the literal names, replaces the one and takes out the other.
dataset_type = 'llv.DarkZurichDataset'
data_root = 'data/dark_zurich/'

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

val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='rgb_anon/val/night', seg_map_path='gt/val/night'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# percentages, 0 to 100
val_evaluator = dict(type='llv.PerClassIoUMetric')
test_evaluator = [dict(type='llv.PerClassIoUMetric'), dict(type='llv.RegionIoUMetric')]
