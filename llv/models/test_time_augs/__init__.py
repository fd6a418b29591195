"""Test-time augmentation of face detectors; it needs mmdet and mmcv's compiled operators."""
