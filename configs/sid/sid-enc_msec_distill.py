# Goes on from sid-enc_msec with the loss on ENC's features, as the released options have it switched on; the copy
# that it compares with is that network as it was.
_base_ = 'sid-enc_msec.py'
model = dict(enhancer=dict(distill_weight=0.2))
upstream = [
    dict(config='{{ fileDirname }}/sid-enc_msec.py', into=f'model.enhancer.{argument}')
    for argument in ('weights', 'distill')
]
