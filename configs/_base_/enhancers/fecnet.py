# FECNet from its initialisation. To start from published or own weights, name them, and their formula comes along:
# enhancer = dict(type='llv.FECNet', weights='fecnet-sice')
enhancer = dict(type='llv.FECNet')
