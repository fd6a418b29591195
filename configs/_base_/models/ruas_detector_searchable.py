# The face detector of RUAS's journal paper as it is searched: a scene module, VGG-16, and the 16 searched layers of
# neck and head with the places, widths and anchors of the published one (`ruas_detector.py`). The loss is that of SSD.
model = dict(
    _scope_='mmdet',
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', variant='detection', scene_genotype='search'),
        base=dict(
            type='mmdet.DetDataPreprocessor', mean=[123, 117, 104], std=[1, 1, 1], bgr_to_rgb=True
        ),
    ),
    backbone=dict(
        type='llv.FaceVGG',
        fc6_dilation=3,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe'),
    ),
    neck=dict(
        type='llv.NeckChain',
        norm=dict(type='llv.L2NormNeck', in_channels=(256, 512, 512), scales=(10, 8, 5)),
        extra=dict(
            type='llv.SearchableSSDNeck',
            in_channels=(256, 512, 512, 1024),
            out_channels=(256, 512, 512, 1024, 512, 256),
            level_strides=(2, 2),
            level_paddings=(1, 1),
            l2_norm_scale=None,
            genotype=None,
        ),
    ),
    bbox_head=dict(
        type='llv.SearchableSSDHead',
        genotype=None,
        in_channels=(256, 512, 512, 1024, 512, 256),
        num_classes=1,
        anchor_generator=dict(
            type='AnchorGenerator',
            strides=[4, 8, 16, 32, 64, 128],
            base_sizes=[8, 16, 32, 64, 128, 256],
            scales=[1.0],
            ratios=[1.0],
        ),
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder',
            target_means=[0.0, 0.0, 0.0, 0.0],
            target_stds=[0.1, 0.1, 0.2, 0.2],
        ),
    ),
    train_cfg=dict(
        assigner=dict(
            type='MaxIoUAssigner',
            pos_iou_thr=0.3,
            neg_iou_thr=0.3,
            min_pos_iou=0.0,
            ignore_iof_thr=-1,
            gt_max_assign_all=False,
        ),
        sampler=dict(type='PseudoSampler'),
        smoothl1_beta=1.0,
        allowed_border=-1,
        pos_weight=-1,
        neg_pos_ratio=3,
        debug=False,
    ),
    test_cfg=dict(
        nms_pre=5000,
        nms=dict(type='nms', iou_threshold=0.3),
        min_bbox_size=0,
        score_thr=0.05,
        max_per_img=750,
    ),
)
