# Zero-DCE from its initialisation. The published weights are for academic use only, so they are named, not shipped:
# enhancer = dict(type='llv.ZeroDCE', weights='zero-dce-sice')
enhancer = dict(type='llv.ZeroDCE')
