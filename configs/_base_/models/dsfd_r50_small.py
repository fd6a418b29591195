# The DSFD release on ResNet-50 with an eighth of the channels, from random weights: for tests and for two cores.
_base_ = 'dsfd_r152.py'
model = dict(depth=50, width=0.125, backbone=dict(init_cfg=None))
