# Night scenes of faces as COCO detection, for a small face detector at 192 pixels:
#   python tools/make_night_scenes.py data/night_faces --faces --format darkface coco fddb
# The same pictures by day (to train a detector whose night is to be mended):
#   train_dataloader = dict(
#       dataset=dict(ann_file='annotations/train_day.json', data_prefix=dict(img='train/day/'))
#   )
# The same pictures and labels as DARK FACE keeps them:
#   dict(type='llv.DarkFaceDataset', data_root='data/night_faces/train')
data_root = 'data/night_faces/'
metainfo = dict(classes=('face',))

# Nothing in front of an enhancer changes the light. Black fill stays black under any illumination
# map, while the mean colour of the published recipes would rule the statistics of a dark picture.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='RandomChoice',
        transforms=[
            # anchors of a detector whose first level has a stride of 4
            [
                dict(
                    type='llv.DataAnchorSampling',
                    size=192,
                    anchors=(8, 16, 32, 64),
                    fill='black',
                    min_side=3,
                )
            ],
            [dict(type='llv.FaceSquareCrop', side_range=(0.5, 1.0))],
        ],
        prob=[0.4, 0.6],
    ),
    dict(type='Resize', scale=(192, 192), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(192, 192), keep_ratio=False),
    # after Resize: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='annotations/train_night.json',
        data_prefix=dict(img='train/image/'),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
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
        ann_file='annotations/val_night.json',
        data_prefix=dict(img='val/image/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
# Image ids and boxes by day are those by night, so this file serves a test by day, too.
val_evaluator = dict(
    type='CocoMetric', metric='bbox', ann_file=data_root + 'annotations/val_night.json'
)
test_evaluator = val_evaluator
