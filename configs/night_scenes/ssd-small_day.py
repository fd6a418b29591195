# The small detector by day: the starting point of everything that is adapted to the night.
_base_ = [
    '../_base_/models/ssd_small.py',
    '../_base_/datasets/night_scenes_day.py',
    '../_base_/schedules/small_detector.py',
    '../_base_/small_detector_runtime.py',
]
