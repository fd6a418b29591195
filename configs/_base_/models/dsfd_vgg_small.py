# The DSFD of the community with an eighth of the channels, from random weights: for tests and for two cores.
_base_ = 'dsfd_vgg.py'
model = dict(width=0.125, backbone=dict(init_cfg=None))
