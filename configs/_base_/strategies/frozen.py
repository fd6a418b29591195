# The detector is trained behind a frozen enhancer, which `upstream` trains first, without labels.
frozen = True
scene_loss = 0.0
upstream = [
    dict(
        config=None,
        into='model.data_preprocessor.enhancer.weights',
        take='checkpoint',
        prefix='enhancer.',
    )
]
