# Target and update in one step, without the published lag (ours).
_base_ = 'psenet_sice.py'
model = dict(lag=0)
