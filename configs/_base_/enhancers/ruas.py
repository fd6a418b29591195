# The scene module of RUAS, from its initialisation. To start from published or own weights, name
# the file: enhancer = dict(type='llv.RUAS', weights='path/to/lol.pt')
enhancer = dict(type='llv.RUAS')
