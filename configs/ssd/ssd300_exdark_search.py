# Scene module, neck and head of SSD300 searched together on ExDark, behind a backbone of ImageNet that stays as it is.
# Every other training picture trains, the others judge: the list goes class by class.
_base_ = [
    '../_base_/models/ssd300_searchable.py',
    '../_base_/datasets/exdark.py',
    '../_base_/schedules/search_high_level.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=12))
# nothing is filtered: indices count the pictures of the list
train_dataloader = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(filter_cfg=None, indices=list(range(0, 5200, 2))),
)
# the supernet is not tested
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
train_cfg = dict(
    max_iters=30 * 2600,
    task=['neck', 'bbox_head'],
    valid_dataloader=dict(
        batch_size=1,
        num_workers=2,
        persistent_workers=True,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='llv.ExDarkDataset',
            data_root='data/ExDark/',
            ann_file='imageclasslist.txt',
            data_prefix=dict(img='images', ann='annotations'),
            protocol='exdark_ruas',
            subset='train',
            indices=list(range(1, 5200, 2)),
            pipeline={{_base_.train_pipeline}},
        ),
    ),
)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2600, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
