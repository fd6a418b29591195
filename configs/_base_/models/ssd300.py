# SSD300-VGG16 as mmdet builds it, with the head that can predict.
_base_ = 'mmdet::_base_/models/ssd300.py'
model = dict(bbox_head=dict(type='llv.SSDHead'))
