# Scene module and detector together, task loss and scene loss.
_base_ = [
    'ssd-small_night.py',
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
upstream = [
    dict(config='{{ fileDirname }}/ssd-small_day.py', into='load_from', prefix=''),
]
custom_hooks = [dict(type='llv.EnhancerLossHook', loss_weight={{_base_.scene_loss}})]
