# Goes on from drbn-enc_msec with the loss on ENC's features; the copy that it compares with is that network as it was.
_base_ = 'drbn-enc_msec.py'
model = dict(enhancer=dict(distill_weight=0.1))
upstream = [
    dict(config='{{ fileDirname }}/drbn-enc_msec.py', into=f'model.enhancer.{argument}')
    for argument in ('weights', 'distill')
]
