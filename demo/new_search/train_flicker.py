# What search_flicker.py finds, trained from new weights; the search runs first.
_base_ = '../new_enhancer/train_lantern.py'
model = dict(enhancer=dict(_delete_=True, type='demo.new_search.flicker.Flicker'))
upstream = [
    dict(
        config='{{ fileDirname }}/search_flicker.py',
        take='genotype',
        into='model.enhancer.genotype',
    )
]
