# DRBN-ENC on the task mix, without ERL.
_base_ = 'drbn_task-mix_baseline.py'
model = dict(enhancer=dict(exposure_normalization=True))
