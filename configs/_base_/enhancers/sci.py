# The first stage of SCI, from its initialisation. To start from published or own weights, name the
# file: enhancer = dict(type='llv.SCI', weights='path/to/medium.pt')
enhancer = dict(type='llv.SCI')
