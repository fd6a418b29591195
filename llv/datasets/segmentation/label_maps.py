"""Label maps of segmentation; what is pure of it lies where it can be imported without mmseg."""

from llv.utils.label_maps import (
    LabelMapError,
    check_ids,
    label_problem,
    read_label_map,
    unknown_ids,
)

__all__ = ['LabelMapError', 'check_ids', 'label_problem', 'read_label_map', 'unknown_ids']
