# ACDC at night as RUAS divides it (Liu et al., TPAMI 2022): 400/106 of the union of official night train and val. Its
# random list is unpublished; this one is ours, seeded. The network keeps 19 outputs, and the mean over RUAS's 17
# classes (without truck and bus) is `mIoU.acdc_night_17`. Do not put results beside those of `acdc_night.py`: official
# val pictures train here. Pipelines and loaders are its, with what it says of them.
_base_ = 'acdc_night.py'
protocol = 'acdc_night_ruas'

train_dataloader = dict(dataset=dict(protocol=protocol))
val_dataloader = dict(dataset=dict(protocol=protocol, subset='test'))
test_dataloader = val_dataloader

test_evaluator = [
    dict(type='llv.PerClassIoUMetric', views=('acdc_night_17', 'acdc_night_19')),
    dict(type='llv.RegionIoUMetric'),
]
