# What `deeplabv3plus-small_plain.py` finds, trained as `deeplabv3plus-small_fixed.py`; the search runs first.
_base_ = 'deeplabv3plus-small_fixed.py'
upstream = [
    dict(config='{{ fileDirname }}/../segmentation/day.py', into='load_from', prefix=''),
    dict(
        config='{{ fileDirname }}/deeplabv3plus-small_plain.py',
        take='genotype',
        into=['model.decode_head.genotype'],
    ),
]
