# Fit the gains with `tools/analysis_tools/fit_fixed_gain.py` and name the file:
# enhancer = dict(type='llv.FixedGain', weights='path/to/gain.pth')
enhancer = dict(type='llv.FixedGain')
