# DRBN from its initialisation; `exposure_normalization=True` is DRBN-ENC. To start from published or own weights, name
# them: enhancer = dict(type='llv.DRBN', weights='drbn-lol')
enhancer = dict(type='llv.DRBN')
