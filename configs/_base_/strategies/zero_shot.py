# Nothing is trained here: the checkpoint of `detector_only` is evaluated behind a frozen enhancer. What offline
# enhancement does to a detector that never saw it. `upstream` names the detector's config first, the enhancer's
# second; the config itself sets `train_cfg`, `train_dataloader`, `optim_wrapper` and `param_scheduler` to None.
frozen = True
scene_loss = 0.0
upstream = [
    dict(config=None, into='load_from', take='checkpoint', prefix=''),
    dict(
        config=None,
        into='model.data_preprocessor.enhancer.weights',
        take='checkpoint',
        prefix='enhancer.',
    ),
]
