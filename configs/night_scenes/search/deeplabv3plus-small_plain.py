# Feature conversion of the small DeepLabv3+ searched on night pictures of 96 pixels, from the segmentor that learned by
# day (`upstream`) and whose encoder stays as it is. One half of the pictures trains, the other judges.
_base_ = [
    '../../_base_/models/deeplabv3plus_small.py',
    '../../_base_/datasets/night_scenes_seg_96.py',
    '../../_base_/schedules/search_high_level.py',
    '../../_base_/small_segmentor_runtime.py',
]
model = dict(
    # maps of 12 × 12: of the convolutions of dilation 12 and 18 the middle tap alone is left
    decode_head=dict(type='llv.SearchableASPPHead', reduction=48, genotype=None),
)
upstream = [dict(config='{{ fileDirname }}/../segmentation/day.py', into='load_from', prefix='')]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        data_prefix=dict(img_path='adapt/night', seg_map_path='adapt/labels'), indices=1500
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
    task=['decode_head'],
    task_interval=1,
    check_interval=20,
    valid_dataloader=dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='BaseSegDataset',
            metainfo={{_base_.metainfo}},
            img_suffix='.png',
            data_root='data/night_scenes_96/',
            data_prefix=dict(img_path='adapt/night', seg_map_path='adapt/labels'),
            indices=-1500,
            pipeline={{_base_.train_dataloader.dataset.pipeline}},
        ),
    ),
)
# a rate at which the candidates learn in so few steps, and decay, without which α decides nothing (search_planted.md)
optim_wrapper = dict(optimizer=dict(lr=0.02, weight_decay=0.03))
