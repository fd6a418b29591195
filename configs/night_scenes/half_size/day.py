# The day detector: well-lit pictures of 96 pixels, twice the sides of the dark ones. All cells start from it but those
# of the detector that is made for small pictures.
_base_ = '../label_efficiency/day.py'
max_iters = 1200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=0, T_max=max_iters, eta_min=0),
]
train_dataloader = dict(
    dataset=dict(
        data_root='data/night_half_size/',
        ann_file='annotations/train_X2.json',
        data_prefix=dict(img='Train/NLHR/X2/'),
    )
)
test_dataloader = dict(
    batch_size=20,
    dataset=dict(
        data_root='data/night_half_size/',
        ann_file='annotations/test_X2.json',
        data_prefix=dict(img='Test/NLHR/X2/'),
    ),
)
# in continuous coordinates, for a whole pixel more or less decides at these sizes; half of the objects are small
test_evaluator = [
    dict(type='llv.PerClassVOCMetric', iou_thrs=0.5, legacy_plus_one=False),
    dict(type='llv.SizeAPMetric', sizes=dict(small=(0, 18), large=(18, None))),
]
