# DeepLabv3+ on ResNet-50 with 19 outputs, as mmseg builds it, but with the normalisation frozen at the statistics of
# the weights it starts from. RUAS's paper fine-tunes one picture a step, where batch statistics fail: the pooled
# branch of the head has one value a channel. `llv.FrozenBN` therefore wants weights of the whole network, such as
# those of Cityscapes (`load_from`): ImageNet's `pretrained` fills the backbone alone. From there, or from nothing, use
# SyncBN, which works on the pictures of all processes (`tools/dist_train.sh <config> 4`), with `--cfg-options
# load_from=None model.pretrained=open-mmlab://resnet50_v1c model.backbone.norm_cfg.type=SyncBN
# model.decode_head.norm_cfg.type=SyncBN model.auxiliary_head.norm_cfg.type=SyncBN`.
_base_ = 'mmseg::_base_/models/deeplabv3plus_r50-d8.py'
norm_cfg = dict(_delete_=True, type='llv.FrozenBN')
data_preprocessor = dict(size=(512, 1024))
model = dict(
    data_preprocessor=data_preprocessor,
    # `zero_init_residual` would set the last scale of each block to 0, which cannot leave it when it is frozen
    backbone=dict(norm_cfg=norm_cfg, zero_init_residual=False),
    decode_head=dict(norm_cfg=norm_cfg),
    auxiliary_head=dict(norm_cfg=norm_cfg),
)
