# PSENet from its initialisation. To start from published or own weights, name them:
# enhancer = dict(type='llv.PSENet', weights='psenet-sice')
enhancer = dict(type='llv.PSENet')
