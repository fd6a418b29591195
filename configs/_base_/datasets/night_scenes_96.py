# Night scenes of 96 pixels for the label-efficiency study, which says how to generate them. Pictures are loaded in the
# process that trains: workers cost more than they save at this size.
data_root = 'data/night_scenes_96/'
metainfo = dict(classes=('disc', 'square', 'triangle', 'cross', 'ring'))
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='annotations/train_day.json',
        data_prefix=dict(img='train/day/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='MinIoURandomCrop', min_ious=(), min_crop_size=0.5),
            dict(type='Resize', scale=(96, 96), keep_ratio=False),
            dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='PackDetInputs'),
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
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='annotations/val_night.json',
        data_prefix=dict(img='val/night/'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(96, 96), keep_ratio=False),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    ),
)
test_evaluator = dict(type='llv.PerClassVOCMetric', iou_thrs=0.5)
