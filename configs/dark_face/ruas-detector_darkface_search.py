# Scene module, neck and head of RUAS's detector searched together on DARK FACE, as in its journal paper, behind a
# backbone of ImageNet that stays as it is. Half of the training pictures train, the others judge.
_base_ = [
    '../_base_/models/ruas_detector_searchable.py',
    '../_base_/datasets/dark_face.py',
    '../_base_/schedules/search_high_level.py',
    '../_base_/schedules/face_runtime.py',
]
# nothing is filtered: indices count the pictures of the list
train_dataloader = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(filter_cfg=None, indices=list(range(0, 5000, 2))),
)
# the supernet is not tested
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
tta_model = tta_pipeline = None
train_cfg = dict(
    max_iters=30 * 2500,
    task=['neck', 'bbox_head'],
    valid_dataloader=dict(
        batch_size=1,
        num_workers=2,
        persistent_workers=True,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='llv.DarkFaceDataset',
            data_root='data/DarkFace/',
            data_prefix=dict(img='image', ann='label'),
            protocol='darkface_ruas',
            subset='train',
            indices=list(range(1, 5000, 2)),
            pipeline={{_base_.train_pipeline}},
        ),
    ),
)
