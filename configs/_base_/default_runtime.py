# mmdet's runtime, with a fixed seed: llv's runs resume to the same weights.
_base_ = 'mmdet::_base_/default_runtime.py'
randomness = dict(seed=0)
