# Pictures that another program has enhanced. In a pipeline, right after loading:
# dict(type='llv.EnhanceImage', enhancer={{_base_.enhancer}})
enhancer = dict(
    type='llv.Precomputed',
    originals='data/night_scenes/test/night',
    folder='data/night_scenes/test/enhanced',
)
