# What an enhancer would give that makes the references themselves: the day detector trained on as the others are, on
# the well-lit pictures of 96 pixels.
_base_ = 'day.py'
max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/val_X2.json',
        data_prefix=dict(img='Val/NLHR/X2/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='PackDetInputs'),
        ],
    )
)
upstream = [dict(config='{{ fileDirname }}/day.py', into='load_from', prefix='')]
