# The DSFD release on ResNet-152 on WIDER FACE by its published training;
# tested at the size of the pictures.
_base_ = [
    '../_base_/models/dsfd_r152.py',
    '../_base_/datasets/wider_face.py',
    '../_base_/schedules/face_dsfd.py',
    '../_base_/schedules/face_runtime.py',
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(dsfd_boxes=True, ignore_invalid=False, pipeline={{_base_.face_pipeline}}),
)
