# At the published rate, without the loss on ENC's features.
_base_ = 'drbn_msec.py'
model = dict(enhancer=dict(exposure_normalization=True))
optim_wrapper = dict(optimizer=dict(lr=5e-5))
