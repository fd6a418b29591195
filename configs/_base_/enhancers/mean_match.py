enhancer = dict(type='llv.MeanMatch')
