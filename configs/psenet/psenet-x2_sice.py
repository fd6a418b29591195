# Twice the channels between the first and the last block (table 6 of the paper).
_base_ = 'psenet_sice.py'
model = dict(enhancer=dict(width=2.0))
