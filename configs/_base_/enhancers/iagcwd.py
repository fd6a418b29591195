enhancer = dict(type='llv.IAGCWD', channel='value')
