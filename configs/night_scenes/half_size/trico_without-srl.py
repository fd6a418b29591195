# `trico.py` without `srl`, which asks its illumination for pictures brighter than the references of these scenes are.
_base_ = 'trico.py'
model = dict(enhancer=dict(scene_loss=dict(leave_out=('srl',))))
