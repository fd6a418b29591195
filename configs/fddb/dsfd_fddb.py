# The DSFD release on FDDB, to be tested only, as its authors test: pictures in their own size, with `--tta` also their
# mirror images, merged by voting; faces above a score of 0.05 and of more than one pixel, in whole pixels. The weights
# are those of WIDER FACE.
_base_ = [
    '../_base_/models/dsfd_r152.py',
    '../_base_/datasets/fddb.py',
    '../_base_/default_runtime.py',
]
model = dict(test_cfg=dict(score_thr=0.05, min_bbox_size=1))
meta_keys = (
    'img_id',
    'img_path',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'name',
    'ellipses',
)
loading = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=1.0, keep_ratio=True),
]
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            *loading,
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs', meta_keys=meta_keys),
        ],
    )
)
test_evaluator = dict(whole_pixels=True)
# the authors' script leaves out faces that one view alone found: `drop_singletons=True`
tta_model = dict(type='llv.FaceTTAModel', size_filters=[])
tta_pipeline = [
    *loading,
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadAnnotations', with_bbox=True)],
            [dict(type='PackDetInputs', meta_keys=(*meta_keys, 'flip', 'flip_direction'))],
        ],
    ),
]
