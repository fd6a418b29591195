# The score of exposure fusion in place of PSENet's own (table 8 of the paper).
_base_ = 'psenet_sice.py'
model = dict(
    pseudo_target=dict(
        type='llv.PseudoTarget', quality=dict(type='llv.ExposureQuality', score='mertens')
    )
)
