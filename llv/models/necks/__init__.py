"""Necks that mmdet lacks; they need mmdet and mmcv's compiled operators."""
