# The second stage of the cascade: a network that enlarges well-lit pictures, on pairs of the training scenes, trained
# as long as `trico.py`. It is TriCo without its regulator, with so much wider feed-forward layers that it is as large.
_base_ = 'trico.py'
model = dict(
    enhancer=dict(
        ffn_expansion=3.4375,
        use_lii=False,
        scene_loss=dict(type='llv.TriCoLoss', perceptual=None, leave_out=('srl',)),
    ),
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='llv.PictureFolder',
        data_root='data/night_half_size/',
        data_prefix=dict(img='Train/NLHR/X1', reference='Train/NLHR/X2'),
        pipeline={{_base_.train_dataloader.dataset.pipeline}},
    )
)
