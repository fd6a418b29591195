# Runtime of the face detectors, which count by steps, and what they test with `tools/test.py --tta`.
_base_ = '../default_runtime.py'
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=5000, max_keep_ckpts=3),
    logger=dict(interval=100),
)
log_processor = dict(by_epoch=False)
custom_hooks = [dict(type='CheckInvalidLossHook', interval=50, priority='VERY_LOW')]
# weights to start from, as `tools/model_converters/detectors_to_llv.py` writes them
load_from = None

# The passes of the published scripts for WIDER FACE: the picture as it is and mirrored, then smaller and larger, merged
# by voting. Those scripts go on to the largest size that the memory holds; the largest here is 2.25. They also leave
# out faces that one pass alone found: `tta_model.drop_singletons=True`.
tta_model = dict(type='llv.FaceTTAModel')
tta_views = [
    *[
        [
            dict(type='Resize', scale_factor=1.0, keep_ratio=True),
            dict(type='RandomFlip', prob=mirrored),
        ]
        for mirrored in (0.0, 1.0)
    ],
    *[
        [
            dict(type='Resize', scale_factor=scale, keep_ratio=True),
            dict(type='RandomFlip', prob=0.0),
        ]
        for scale in (0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.0, 2.25)
    ],
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Compose', transforms=view) for view in tta_views],
            # behind the geometry: the metric compares in the coordinates of the original picture
            [dict(type='LoadAnnotations', with_bbox=True)],
            [
                dict(
                    type='PackDetInputs',
                    meta_keys=(
                        'img_id',
                        'img_path',
                        'ori_shape',
                        'img_shape',
                        'scale_factor',
                        'flip',
                        'flip_direction',
                    ),
                )
            ],
        ],
    ),
]
