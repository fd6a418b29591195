# What `ssd-small_plain.py` finds, trained as `ssd-small_fixed.py`; the search runs first.
_base_ = 'ssd-small_fixed.py'
upstream = [
    dict(config='{{ fileDirname }}/../label_efficiency/day.py', into='load_from', prefix=''),
    dict(
        config='{{ fileDirname }}/ssd-small_plain.py',
        take='genotype',
        into=['model.neck.genotype', 'model.bbox_head.genotype'],
    ),
]
