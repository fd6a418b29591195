# What `ruas-detector_darkface_search.py` finds, trained anew from ImageNet by the schedule of RUAS's detector, scene
# module included; the search runs first. Tested at 1.5 million pixels.
_base_ = [
    '../_base_/models/ruas_detector_searchable.py',
    '../_base_/datasets/dark_face.py',
    '../_base_/schedules/face_ruas.py',
    '../_base_/schedules/face_runtime.py',
]
# until the search is done: the published genotypes
model = dict(
    data_preprocessor=dict(enhancer=dict(scene_genotype=None)),
    neck=dict(extra=dict(genotype='ruas-darkface')),
    bbox_head=dict(genotype='ruas-darkface'),
)
upstream = [
    dict(
        config='{{ fileDirname }}/ruas-detector_darkface_search.py',
        take='genotype',
        into=[
            'model.data_preprocessor.enhancer.scene_genotype',
            'model.neck.extra.genotype',
            'model.bbox_head.genotype',
        ],
    )
]
train_dataloader = dict(batch_size=16, sampler=dict(type='InfiniteSampler'))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='llv.ResizeToArea', area=1_500_000),
    # behind the geometry: the metric compares in the coordinates of the original picture
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [
    dict(type='CheckInvalidLossHook', interval=50, priority='VERY_LOW'),
    dict(type='llv.EnhancerLossHook', loss_weight=1.0),
]
