# ECLNet from its initialisation. To start from published or own weights, name them:
# enhancer = dict(type='llv.ECLNet', weights='eclnet-sice')
enhancer = dict(type='llv.ECLNet')
