# Plain training, which the paper's progressive training is compared with: the net's own output is no candidate.
_base_ = 'psenet_sice.py'
model = dict(progressive=False)
