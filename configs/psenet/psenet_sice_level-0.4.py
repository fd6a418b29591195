# Another level of good exposure than 0.5 (table 7 of the paper).
_base_ = 'psenet_sice.py'
model = dict(
    pseudo_target=dict(type='llv.PseudoTarget', quality=dict(type='llv.ExposureQuality', level=0.4))
)
