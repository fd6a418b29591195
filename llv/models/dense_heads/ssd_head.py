"""mmdet's SSD head, able to predict."""

from mmdet.models.dense_heads import SSDHead as _SSDHead

from llv.registry import MODELS


@MODELS.register_module()
class SSDHead(_SSDHead):
    """SSD head (SSD: Single Shot MultiBox Detector, ECCV 2016) with a working ``predict``.

    mmdet's shared post-processing asks every head for ``loss_cls``, which its ``SSDHead`` never sets because it
    skips the anchor head's constructor: each prediction raises AttributeError (mmdet issues 11063, 11305,
    11780). Here it is None, which is what that code expects of a head without a loss that overrides the class
    scores. Arguments, parameters and checkpoint keys are mmdet's.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.loss_cls = None
