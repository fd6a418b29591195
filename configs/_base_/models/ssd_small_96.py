# The small SSD for pictures of 96 pixels: maps of stride 4 to 32, joined from coarse to fine by a feature pyramid,
# because its objects are half as large.
_base_ = 'ssd_small.py'
model = dict(
    backbone=dict(out_indices=(0, 1, 2)),
    neck=dict(
        _delete_=True,
        type='FPN',
        in_channels=[24, 48, 96],
        out_channels=64,
        num_outs=4,
        norm_cfg=dict(type='BN'),
    ),
    bbox_head=dict(
        in_channels=(64, 64, 64, 64),
        anchor_generator=dict(
            input_size=96,
            strides=[4, 8, 16, 32],
            min_sizes=[10, 16, 26, 40],
            max_sizes=[16, 26, 40, 60],
        ),
    ),
)
