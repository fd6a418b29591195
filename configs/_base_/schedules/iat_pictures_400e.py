# The published training of IAT on LOL-v1, second stage: 400 epochs of Adam. Its cosine has a period of 400 but is
# stepped at each iteration, so the published rate oscillates; here it falls once, by epochs. `by_epoch=False` has it
# as it was.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=400, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=1e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=400, eta_min=0)]
