# What `ruas.py` finds, trained as `ruas_fixed.py`; the search runs first.
_base_ = 'ruas_fixed.py'
upstream = [
    dict(
        config='{{ fileDirname }}/ruas.py',
        take='genotype',
        into=['model.enhancer.scene_genotype', 'model.enhancer.noise_genotype'],
    )
]
