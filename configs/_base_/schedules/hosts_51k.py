# The published training of DRBN-ENC and of FECNet on SICE: Adam, the rate halved at a half and at three quarters of
# 51 200 steps, which are 200 epochs of the authors' 1 024 pairs in batches of 4. Validated every epoch; the authors
# keep the best mean PSNR, which the recipes name in `default_hooks` (no base may share a key).
train_cfg = dict(type='IterBasedTrainLoop', max_iters=51200, val_interval=256)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[25600, 38400], gamma=0.5),
]
