# Last of three steps to RUAS_A: the noise removal, on day pictures with synthetic noise, behind the scene module and
# the estimator that the steps before trained.
_base_ = 'ruas-a-estimation_night-scenes.py'
model = dict(enhancer=dict(train_part='removal'))
upstream = [
    dict(
        config='{{ fileDirname }}/ruas-a-estimation_night-scenes.py',
        into='model.enhancer.weights',
        take='checkpoint',
        prefix='enhancer.',
    )
]
