# Not published: ENC modules with the original recipe of DRBN on LOL.
_base_ = 'drbn_lol.py'
model = dict(enhancer=dict(exposure_normalization=True))
