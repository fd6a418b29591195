# Night scenes (day pictures) as COCO detection; `tools/make_night_scenes.py` generates them.
_base_ = 'night_scenes_pipelines.py'
data_root = 'data/night_scenes/'
metainfo = dict(classes=('disc', 'square', 'triangle', 'cross', 'ring'))
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='annotations/train_day.json',
        data_prefix=dict(img='train/day/'),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline={{_base_.train_pipeline}},
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='annotations/val_day.json',
        data_prefix=dict(img='val/day/'),
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', metric='bbox', ann_file=data_root + 'annotations/val_day.json'
)
test_evaluator = val_evaluator
