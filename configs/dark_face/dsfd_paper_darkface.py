# The DSFD of the paper on VGG-16 on DARK FACE without an enhancer, by its published training;
# tested at the size of the pictures. Papers fine-tune weights of WIDER FACE: convert them and name them as `load_from`.
_base_ = [
    '../_base_/models/dsfd_paper.py',
    '../_base_/datasets/dark_face.py',
    '../_base_/schedules/face_dsfd.py',
    '../_base_/schedules/face_runtime.py',
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(pipeline={{_base_.face_pipeline}}),
)
