enhancer = dict(type='llv.Identity')
