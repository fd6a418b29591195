_base_ = 'sid_night-scenes.py'
# with exposure normalisation and compensation
model = dict(enhancer=dict(exposure_normalization=True))
