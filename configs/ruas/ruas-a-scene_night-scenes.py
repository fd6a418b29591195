# First of three steps to RUAS_A: the scene module; the noise modules are there but frozen.
_base_ = 'ruas-s_night-scenes.py'
model = dict(enhancer=dict(version='RUAS_A', train_part='scene'))
