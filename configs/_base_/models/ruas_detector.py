# The face detector of the journal version of RUAS, as published: the scene module lights the picture, then VGG-16 with
# the neck and the head that were searched on DARK FACE. Published weights, once converted, go into `load_from`.
# It knows faces only; for the twelve classes of ExDark see `configs/ssd`.
model = dict(
    type='llv.RUASDetector',
    genotype='ruas-darkface',
    backbone='vgg16',
    anchor_sizes=(8, 16, 32, 64, 128, 256),
    data_preprocessor=dict(
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.RUAS', variant='detection'),
        base=dict(
            type='mmdet.DetDataPreprocessor',
            mean=[123, 117, 104],
            std=[1, 1, 1],
            bgr_to_rgb=True,
        ),
    ),
    train_cfg=dict(
        assigner=dict(type='llv.ScaleCompensationAssigner', pos_iou_thr=0.3, compensate=None)
    ),
    test_cfg=dict(
        score_thr=0.05,
        nms_pre=5000,
        nms=dict(type='nms', iou_threshold=0.3),
        max_per_img=750,
    ),
)
