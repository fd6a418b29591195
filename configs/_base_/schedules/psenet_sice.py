# The published training of PSENet on SICE: 140 epochs of Adam, 64 pictures a step, the rate halved when the training
# loss stalls. No warm-up, no clipping, no model selection: the last weights count.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=140)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=5e-4, betas=(0.9, 0.99)),
)
param_scheduler = None
custom_hooks = [
    dict(type='llv.PseudoTargetHook'),
    # the paper says a patience of 5; the published weights were made with 10
    dict(type='llv.TrainLossPlateauHook', factor=0.5, patience=10, threshold=1e-4),
]
