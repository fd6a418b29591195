# Three exposures to each side of the input (table 5 of the paper).
_base_ = 'psenet_sice.py'
model = dict(pseudo_target=dict(type='llv.PseudoTarget', references=3))
