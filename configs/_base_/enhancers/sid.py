# The U-Net SID from its initialisation; `exposure_normalization=True` is SID-ENC. To start from own weights, name the
# file: enhancer = dict(type='llv.SID', weights='path/to/sid.pth')
enhancer = dict(type='llv.SID')
