enhancer = dict(type='llv.HistogramEqualization', channel='value')
