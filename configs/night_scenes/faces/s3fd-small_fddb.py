# The small S3FD on drawn faces in the format of FDDB, by day: what `tools/analysis_tools/fddb_gamma.py` re-renders.
# Its pictures have 384 pixels, brought to the 96 of the detector: FDDB counts whole pixels, and faces of a few pixels
# never overlap their boxes by half.
_base_ = 's3fd-small_day.py'
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='llv.FDDBDataset',
        data_root='data/night_faces_fddb/val/',
        ann_file='FDDB-folds',
        data_prefix=dict(img='originalPics'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(96, 96), keep_ratio=False),
            dict(type='LoadAnnotations', with_bbox=True),
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
        ],
    ),
)
test_evaluator = dict(_delete_=True, type='llv.FDDBMetric', max_fp=500)
