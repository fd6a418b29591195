# Score and weighted mean of exposure fusion in place of PSENet's score and selection (after table 8 of the paper, whose
# fusion blends in several resolutions).
_base_ = 'psenet_sice_mertens-score.py'
model = dict(pseudo_target=dict(combine='weighted'))
