# SSD300-VGG16 on ExDark, without an enhancer.
_base_ = [
    '../_base_/models/ssd300.py',
    '../_base_/datasets/exdark.py',
    '../_base_/schedules/ssd300_24e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=12))
# as VOCMetric, and the average precision of every class beside the mean
val_evaluator = dict(_delete_=True, type='llv.PerClassVOCMetric', iou_thrs=0.5, eval_mode='area')
test_evaluator = val_evaluator
custom_hooks = [dict(type='CheckInvalidLossHook', interval=50, priority='VERY_LOW')]
