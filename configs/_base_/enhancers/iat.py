# IAT from its initialisation. To start from published or own weights, name the file; that of LOL-v2 needs its range:
# enhancer = dict(type='llv.IAT', weights='path/to/best_Epoch_lol.pth', input_range='signed')
enhancer = dict(type='llv.IAT')
