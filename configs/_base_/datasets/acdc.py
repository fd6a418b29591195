# ACDC in all four conditions: the official train (1,600) and val (406) pictures, 19 classes of Cityscapes. Pipelines
# and loaders are those of `acdc_night.py`, with what it says of them.
_base_ = 'acdc_night.py'
conditions = ('fog', 'night', 'rain', 'snow')

train_dataloader = dict(dataset=dict(conditions=conditions))
val_dataloader = dict(dataset=dict(conditions=conditions))
test_dataloader = val_dataloader

# the published means over fewer classes are of night pictures
test_evaluator = [dict(type='llv.PerClassIoUMetric'), dict(type='llv.RegionIoUMetric')]
