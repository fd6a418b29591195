# PSENet on 400 unlabelled night pictures of 96 pixels.
_base_ = '../label_efficiency/psenet.py'
train_dataloader = dict(
    dataset=dict(
        data_root='data/night_faces_96/',
        data_prefix=dict(img='unlabelled/image'),
    )
)
train_cfg = dict(max_iters=150, val_interval=150)
