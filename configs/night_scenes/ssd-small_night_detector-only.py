# Directly, without an enhancer.
_base_ = ['ssd-small_night.py', '../_base_/strategies/detector_only.py']
upstream = [
    dict(config='{{ fileDirname }}/ssd-small_day.py', into='load_from', prefix=''),
]
