# Also trained to predict the same gamma map from a picture of a quarter of the side, for `estimate_scale=0.25` (ours).
_base_ = 'psenet_sice.py'
model = dict(scale_consistency=dict(type='llv.ScaleConsistencyLoss', loss_weight=1.0, scale=0.25))
