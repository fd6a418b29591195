# Fine-tuning of a segmentor that knows Cityscapes, after mmseg's recipe for Cityscapes: SGD, 40,000 steps, the rate
# falling by a power of 0.9. Rate and end rate are a tenth of its own (0.01 and 1e-4 for 8 pictures a step), with 2
# pictures a step; rate, batch and length are our choice. The last weights count: choosing among them by the validation
# pictures, which are those that papers report, would flatter.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40_000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    clip_grad=None,
)
param_scheduler = [
    dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=40_000, by_epoch=False)
]
# for another number of pictures a step: `--cfg-options auto_scale_lr.enable=True`
auto_scale_lr = dict(enable=False, base_batch_size=2)
