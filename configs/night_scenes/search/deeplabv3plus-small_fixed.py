# The small DeepLabv3+ with branches like those of DeepLab, written as a genotype, trained on night pictures from the
# day segmentor, whose feature conversion does not fit and is trained anew. The study puts other genotypes in its place.
_base_ = '../segmentation/night.py'
model = dict(
    decode_head=dict(
        type='llv.SearchableASPPHead',
        # its rates are 3, 6 and 9 on these maps of 12 × 12, where the space has 2, 6 and 12
        reduction=48,
        genotype=['conv_1x1', 'conv_3x3', 'dilconv_3x3', 'dilconv_3x3_6'],
    )
)
upstream = [dict(config='{{ fileDirname }}/../segmentation/day.py', into='load_from', prefix='')]
max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
