"""The upstream models that are run behind an enhancer, and what of their configs is changed for that.

A user changes where the data lies. All else here makes a run of two iterations fit a test on a CPU: pictures of 128
pixels and less, batches of two, no worker processes, no warm-up, which two iterations would not leave, fewer proposals,
and thresholds under which a model with random weights finds something to evaluate. No layer is taken out.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One model.

    Attributes:
        name: As on the page.
        config: Upstream config, as it is in the installed package.
        data: Whose layout the data has.
        metric: What the evaluation reports.
        options: Values that replace those of the config.
        train_set: Where in the config the training set names its folder.
    """

    name: str
    config: str
    data: str
    metric: str
    options: dict = field(default_factory=dict)
    train_set: str = 'train_dataloader.dataset'

    @property
    def package(self):
        """The package that the config comes with."""
        return self.config.partition('::')[0]

    def all_options(self, root):
        """Every value that replaces one of the config, by dotted key; `root` is the folder of the data."""
        found = dict(_EVERY)
        for split in ('train', 'val'):
            found[f'{split}_dataloader.num_workers'] = 0
            found[f'{split}_dataloader.persistent_workers'] = False
            found[f'{split}_dataloader.batch_size'] = 2
        found[f'{self.train_set}.data_root'] = f'{root}/'
        found['val_dataloader.dataset.data_root'] = f'{root}/'
        if self.data == 'coco':
            found['val_evaluator.ann_file'] = f'{root}/annotations/instances_val2017.json'
        return found | _BY_DATA[self.data] | self.options


_EVERY = {
    'default_hooks.logger.interval': 1,
    'default_hooks.checkpoint.save_optimizer': False,
    'randomness.seed': 0,
}
_ONE_EPOCH = {'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1}  # of two iterations
_TWO_ITERATIONS = {'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2}
_BY_DATA = dict(
    coco={'val_dataloader.dataset.pipeline.1.scale': (128, 128), **_ONE_EPOCH},
    ade20k=_TWO_ITERATIONS,
    cityscapes=_TWO_ITERATIONS,
    imagenet=_ONE_EPOCH,
)
_SMALL = {'train_dataloader.dataset.pipeline.2.scale': (128, 128)}
_NO_WARM_UP = {'param_scheduler.0.start_factor': 1.0}
_CROP = {
    'train_dataloader.dataset.pipeline.2.scale': (128, 128),
    'train_dataloader.dataset.pipeline.3.crop_size': (64, 64),
    'model.data_preprocessor.size': (64, 64),
    'val_dataloader.dataset.pipeline.1.scale': (64, 64),
}
_TWO_STAGES = {
    'model.test_cfg.rcnn.score_thr': 0.0,
    'model.test_cfg.rcnn.max_per_img': 10,
    'model.test_cfg.rpn.max_per_img': 20,
    'model.train_cfg.rcnn.sampler.num': 16,
    **_SMALL,
    **_NO_WARM_UP,
}
_DETR_SIZES = {
    f'train_dataloader.dataset.pipeline.3.transforms.{way}.scales': [(96, 128), (128, 128)]
    for way in ('0.0', '1.0', '1.2')
}

CASES = (
    Case(
        'Faster R-CNN',
        'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        'coco',
        'coco/bbox_mAP',
        _TWO_STAGES,
    ),
    Case(
        'RetinaNet',
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        'coco',
        'coco/bbox_mAP',
        {'model.test_cfg.score_thr': 0.0, 'model.test_cfg.nms_pre': 20, **_SMALL, **_NO_WARM_UP},
    ),
    Case(
        'YOLOX',
        'mmdet::yolox/yolox_s_8xb8-300e_coco.py',
        'coco',
        'coco/bbox_mAP',
        {
            'train_dataloader.dataset.pipeline.0.img_scale': (128, 128),
            'train_dataloader.dataset.pipeline.1.border': (-64, -64),
            'train_dataloader.dataset.pipeline.2.img_scale': (128, 128),
            'train_dataloader.dataset.pipeline.5.scale': (128, 128),
            'model.data_preprocessor.batch_augments.0.random_size_range': (96, 160),
            'model.test_cfg.score_thr': 0.0,
        },
        train_set='train_dataloader.dataset.dataset',  # inside the one that mixes its pictures
    ),
    Case(
        'DETR',
        'mmdet::detr/detr_r50_8xb2-150e_coco.py',
        'coco',
        'coco/bbox_mAP',
        {**_DETR_SIZES, 'train_dataloader.dataset.pipeline.3.transforms.1.1.crop_size': (64, 96)},
    ),
    Case(
        'Mask R-CNN',
        'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
        'coco',
        'coco/segm_mAP',
        _TWO_STAGES,
    ),
    Case(
        'SegFormer',
        'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        'ade20k',
        'mIoU',
        {**_CROP, **_NO_WARM_UP},
    ),
    Case(
        'DeepLabv3+',
        'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        'cityscapes',
        'mIoU',
        _CROP,
    ),
    Case(
        'ResNet-50 with Mixup',
        'mmpretrain::resnet/resnet50_8xb32-mixup_in1k.py',
        'imagenet',
        'accuracy/top1',
        {
            'train_dataloader.dataset.pipeline.1.scale': 64,
            'val_dataloader.dataset.pipeline.1.scale': 72,
            'val_dataloader.dataset.pipeline.2.crop_size': 64,
        },
    ),
)

# loaded from a checkpoint of the model without an enhancer, and compared with it behind `Identity`
CHECKPOINTS = ('Faster R-CNN', 'Mask R-CNN', 'SegFormer', 'ResNet-50 with Mixup')
