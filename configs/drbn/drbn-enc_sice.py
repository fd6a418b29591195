# As published: batch 4, crop 256, no loss on ENC's features.
_base_ = 'drbn_sice.py'
model = dict(enhancer=dict(exposure_normalization=True))
