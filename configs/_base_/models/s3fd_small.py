# S3FD with an eighth of the channels, from random weights: for tests and for two cores.
_base_ = 's3fd.py'
model = dict(width=0.125, backbone=dict(init_cfg=None))
