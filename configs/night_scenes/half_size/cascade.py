# PSENet ⇒ ×2, kept frozen in front of the detector: light first, enlarge afterwards, each network trained by itself.
_base_ = 'night.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='llv.EnhancedDataPreprocessor',
        # a TriCo without its regulator; options come with the weights
        enhancer=dict(
            type='llv.Cascade',
            stages=[dict(type='llv.PSENet', weights=None), dict(type='llv.TriCo', weights=None)],
        ),
        frozen=True,
        base={{_base_.model.data_preprocessor}},
    )
)
upstream = [
    dict(config='{{ fileDirname }}/day.py', into='load_from', prefix=''),
    dict(
        config='{{ fileDirname }}/psenet.py',
        into='model.data_preprocessor.enhancer.stages.0.weights',
        prefix='enhancer.',
    ),
    dict(
        config='{{ fileDirname }}/enlarging.py',
        into='model.data_preprocessor.enhancer.stages.1.weights',
        prefix='enhancer.',
    ),
]
