# Enhancer first, without labels (`upstream`); then everything with the task loss ℓ_t. The strategy of RUAS's
# best detector.
frozen = False
scene_loss = 0.0
upstream = [
    dict(
        config=None,
        into='model.data_preprocessor.enhancer.weights',
        take='checkpoint',
        prefix='enhancer.',
    )
]
