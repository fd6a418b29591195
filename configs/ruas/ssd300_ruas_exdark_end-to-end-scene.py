_base_ = [
    '../ssd/ssd300_exdark.py',
    '../_base_/enhancers/ruas.py',
    '../_base_/strategies/end_to_end_scene.py',
]
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        enhancer={{_base_.enhancer}},
        frozen={{_base_.frozen}},
        base={{_base_.model.data_preprocessor}},
    )
)
custom_hooks = [
    dict(type='CheckInvalidLossHook', interval=50, priority='VERY_LOW'),
    dict(type='llv.EnhancerLossHook', loss_weight={{_base_.scene_loss}}),
]
