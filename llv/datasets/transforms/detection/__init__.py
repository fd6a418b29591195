"""Pipeline transforms of detectors; they need mmdet and mmcv's compiled operators."""
