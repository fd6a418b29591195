# u = y^gamma. Fit the exponent on pairs of the training set with
# `llv.models.enhancers.gamma.fit_gamma`.
enhancer = dict(type='llv.Gamma', gamma=0.45)
