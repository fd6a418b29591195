# The small SSD with a 3×3 convolution behind each map of its feature pyramid and the head of SSD, which is 3×3 too,
# written as genotypes, trained on night pictures from the day detector. The new layers and the head, whose weights do
# not fit, are trained anew. The study puts other genotypes in their place.
_base_ = '../label_efficiency/night.py'
model = dict(
    # one searched layer behind each map of the feature pyramid
    neck=dict(
        _delete_=True,
        type='llv.SearchableNeck',
        neck={{_base_.model.neck}},
        genotype=['conv_3x3'] * 4,
    ),
    bbox_head=dict(type='llv.SearchableSSDHead', genotype=['conv_3x3'] * 8),
)
upstream = [
    dict(config='{{ fileDirname }}/../label_efficiency/day.py', into='load_from', prefix='')
]
max_iters = 350
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
