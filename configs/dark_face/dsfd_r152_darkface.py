# The DSFD release on ResNet-152 on DARK FACE without an enhancer, by its published training;
# tested at the size of the pictures. Papers fine-tune weights of WIDER FACE: convert them and name them as `load_from`.
_base_ = [
    '../_base_/models/dsfd_r152.py',
    '../_base_/datasets/dark_face.py',
    '../_base_/schedules/face_dsfd.py',
    '../_base_/schedules/face_runtime.py',
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(pipeline={{_base_.face_pipeline}}),
)
