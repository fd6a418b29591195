# PSENet ⇒ ×2: light first, enlarge afterwards. Nothing is trained here.
_base_ = 'trico.py'
model = dict(
    enhancer=dict(
        _delete_=True,
        type='llv.Cascade',
        stages=[dict(type='llv.PSENet', weights=None), dict(type='llv.TriCo', weights=None)],
    )
)
train_cfg = None
train_dataloader = None
optim_wrapper = None
param_scheduler = None
val_cfg = None
val_dataloader = None
val_evaluator = None
upstream = [
    dict(
        config='{{ fileDirname }}/psenet.py',
        into='model.enhancer.stages.0.weights',
        take='checkpoint',
        prefix='enhancer.',
    ),
    dict(
        config='{{ fileDirname }}/enlarging.py',
        into='model.enhancer.stages.1.weights',
        take='checkpoint',
        prefix='enhancer.',
    ),
]
