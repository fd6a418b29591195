# without the loss on ENC's features
_base_ = 'sid_msec.py'
model = dict(enhancer=dict(exposure_normalization=True))
