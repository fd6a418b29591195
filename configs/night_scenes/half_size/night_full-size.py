# The same night at 96 pixels: what the missing pixels cost. The well-lit pictures of the same scenes are darkened in
# the pipeline by the exposures and the noise of the small ones; a pixel has the noise of theirs, as behind a sensor
# of four times the area. There is no lens in front of it.
_base_ = 'day_full-size.py'
darken = dict(
    type='llv.SyntheticLowLight',
    mode='physical',
    exposure_ev=(-4.5, -2.5),
    lamps=(0, 0),
    red_gain=(1, 1),
    blue_gain=(1, 1),
    shot_noise=(1e-4, 4e-4),
    read_noise=(5e-4, 2e-3),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            darken,
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='PackDetInputs'),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            darken,
            dict(type='Resize', scale=(96, 96), keep_ratio=False),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    )
)
