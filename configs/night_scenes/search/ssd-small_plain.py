# The layers behind the feature pyramid and the head of the small SSD searched on night pictures of 96 pixels, from the
# detector that learned by day (`upstream`) and whose backbone stays as it is. One half of the pictures trains, the
# other judges.
_base_ = [
    '../../_base_/models/ssd_small_96.py',
    '../../_base_/datasets/night_scenes_96.py',
    '../../_base_/schedules/search_high_level.py',
    '../../_base_/small_detector_runtime.py',
]
model = dict(
    # one searched layer behind each map of the feature pyramid
    neck=dict(
        _delete_=True,
        type='llv.SearchableNeck',
        neck={{_base_.model.neck}},
        genotype=None,
    ),
    bbox_head=dict(type='llv.SearchableSSDHead', genotype=None),
)
upstream = [
    dict(config='{{ fileDirname }}/../label_efficiency/day.py', into='load_from', prefix='')
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        ann_file='annotations/adapt_night.json', data_prefix=dict(img='adapt/night/'), indices=1500
    ),
)
# the supernet is not tested
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
train_cfg = dict(
    max_iters=200,
    # minutes instead of an hour: few steps, so each is larger than the paper's, and in first order
    order=1,
    arch_optimizer=dict(lr=0.02),
    task=['neck', 'bbox_head'],
    task_interval=1,
    check_interval=20,
    valid_dataloader=dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='CocoDataset',
            metainfo={{_base_.metainfo}},
            data_root='data/night_scenes_96/',
            ann_file='annotations/adapt_night.json',
            data_prefix=dict(img='adapt/night/'),
            indices=-1500,
            pipeline={{_base_.train_dataloader.dataset.pipeline}},
        ),
    ),
)
# a rate at which the candidates learn in so few steps, and decay, without which α decides nothing (search_planted.md)
optim_wrapper = dict(optimizer=dict(lr=0.02, weight_decay=0.03))
