# The detector that is made for pictures of 48 pixels, adapted to the dark ones.
_base_ = 'night.py'
model = dict(
    bbox_head=dict(
        anchor_generator=dict(input_size=48, min_sizes=[5, 8, 13, 20], max_sizes=[8, 13, 20, 30])
    )
)
upstream = [dict(config='{{ fileDirname }}/day_small.py', into='load_from', prefix='')]
