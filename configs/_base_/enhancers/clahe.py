enhancer = dict(type='llv.CLAHE', clip_limit=2.0, grid=(8, 8), channel='lightness')
