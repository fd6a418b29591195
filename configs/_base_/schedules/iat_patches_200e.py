# The published training of IAT on LOL-v1, first stage: 200 epochs of Adam. Its cosine has a period of 200 but is
# stepped at each iteration, so the published rate oscillates; here it falls once, by epochs. `by_epoch=False` has it
# as it was.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-4, weight_decay=4e-4))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=200, eta_min=0)]
