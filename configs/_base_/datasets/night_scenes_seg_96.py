# Label maps of night scenes of 96 pixels; `tools/make_night_scenes.py` generates them, the label-efficiency study of
# segmentation says how. Pictures are loaded in the process that trains: workers cost more than they save at this size.
data_root = 'data/night_scenes_96/'
metainfo = dict(
    classes=('background', 'disc', 'square', 'triangle', 'cross', 'ring'),
    palette=[
        [70, 70, 70],
        [230, 75, 60],
        [60, 140, 230],
        [80, 190, 90],
        [240, 190, 50],
        [170, 90, 210],
    ],
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset',
        metainfo=metainfo,
        img_suffix='.png',
        data_root=data_root,
        data_prefix=dict(img_path='train/day', seg_map_path='train/labels'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='llv.CheckLabelMap', classes=6),
            dict(type='RandomResize', scale=(96, 96), ratio_range=(1.0, 1.5), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(96, 96)),
            dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_dataloader = None
val_evaluator = None
test_dataloader = dict(
    batch_size=50,
    num_workers=0,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset',
        metainfo=metainfo,
        img_suffix='.png',
        data_root=data_root,
        data_prefix=dict(img_path='val/night', seg_map_path='val/labels'),
        indices=500,
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_evaluator = [dict(type='llv.PerClassIoUMetric'), dict(type='llv.RegionIoUMetric')]
