# The day detector adapted to labelled night pictures; the matrix says how many.
_base_ = 's3fd-small_night.py'
model = dict(
    _delete_=True,
    type='llv.DSFD',
    preset='vgg',
    width=0.125,
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor', mean=[104, 117, 123], std=[57, 57, 58], bgr_to_rgb=False
    ),
    bbox_head=dict(anchor_sizes=(6, 10, 16, 24, 32, 48)),
)
