# Scene module, neck and head of the small SSD searched together on night pictures, from the detector that learned by
# day (`upstream`) and whose backbone stays as it is. One half of the pictures trains, the other judges.
_base_ = [
    '../../_base_/models/ssd_small.py',
    '../../_base_/datasets/night_scenes_night.py',
    '../../_base_/schedules/search_high_level.py',
    '../../_base_/small_detector_runtime.py',
]
model = dict(
    neck=dict(type='llv.SearchableSSDNeck', norm_cfg=None, genotype=None),
    bbox_head=dict(type='llv.SearchableSSDHead', genotype=None),
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', scene_genotype='search'),
        base={{_base_.model.data_preprocessor}},
    ),
)
upstream = [dict(config='{{ fileDirname }}/../ssd-small_day.py', into='load_from', prefix='')]
train_dataloader = dict(batch_size=4, num_workers=1, dataset=dict(indices=700))
# the supernet is not tested
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
train_cfg = dict(
    max_iters=200,
    # minutes instead of an hour: few steps, so each is larger than the paper's, and in first order
    order=1,
    arch_optimizer=dict(lr=0.01),
    task=['neck', 'bbox_head'],
    task_interval=1,
    check_interval=20,
    valid_dataloader=dict(
        batch_size=4,
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='CocoDataset',
            metainfo={{_base_.metainfo}},
            data_root='data/night_scenes/',
            ann_file='annotations/train_night.json',
            data_prefix=dict(img='train/night/'),
            filter_cfg=dict(filter_empty_gt=True),
            indices=-700,
            pipeline={{_base_.train_pipeline}},
        ),
    ),
)
