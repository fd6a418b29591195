# FDDB, to test on: detectors are trained on WIDER FACE or DARK FACE.
# Needs `default_scope = 'mmdet'` (`_base_/default_runtime.py`). Transforms keep their plain names,
# because mmdet's inferencer looks for the literal `LoadImageFromFile` and replaces it.
dataset_type = 'llv.FDDBDataset'
data_root = 'data/FDDB/'

# DSFD tests at the pictures' own size, at most about 450 x 450; here the longer side is brought to
# 640 for detectors that are trained at that size. Grey pictures are loaded as three channels.
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(640, 640), keep_ratio=True),
    # after Resize: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations', with_bbox=True),
    # the metric needs the ellipses, and the names for the official detections file
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'name',
            'ellipses',
        ),
    ),
]

train_dataloader = None
train_cfg = None
optim_wrapper = None
val_dataloader = None
val_cfg = None
val_evaluator = None
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='FDDB-folds',
        data_prefix=dict(img='originalPics'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_cfg = dict(type='TestLoop')
# Ellipses include the forehead, boxes of WIDER FACE do not: `extend_up=0.2` measures boxes
# that are extended upwards by a fifth, and must be told with the number.
test_evaluator = dict(type='llv.FDDBMetric', max_fp=500)
