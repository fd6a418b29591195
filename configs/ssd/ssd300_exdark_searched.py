# What `ssd300_exdark_search.py` finds, trained anew from ImageNet by the schedule of SSD300, scene module included; the
# search runs first.
_base_ = [
    '../_base_/models/ssd300_searchable.py',
    '../_base_/datasets/exdark.py',
    '../_base_/schedules/ssd300_24e.py',
    '../_base_/default_runtime.py',
]
# until the search is done: the published scene module, and the neck and head of SSD300
model = dict(
    data_preprocessor=dict(enhancer=dict(scene_genotype=None)),
    neck=dict(genotype=['conv_1x1', 'conv_3x3'] * 4),
    bbox_head=dict(num_classes=12, genotype=['conv_3x3'] * 12),
)
upstream = [
    dict(
        config='{{ fileDirname }}/ssd300_exdark_search.py',
        take='genotype',
        into=[
            'model.data_preprocessor.enhancer.scene_genotype',
            'model.neck.genotype',
            'model.bbox_head.genotype',
        ],
    )
]
# as VOCMetric, and the average precision of every class beside the mean
val_evaluator = dict(_delete_=True, type='llv.PerClassVOCMetric', iou_thrs=0.5, eval_mode='area')
test_evaluator = val_evaluator
custom_hooks = [
    dict(type='CheckInvalidLossHook', interval=50, priority='VERY_LOW'),
    dict(type='llv.EnhancerLossHook', loss_weight=1.0),
]
