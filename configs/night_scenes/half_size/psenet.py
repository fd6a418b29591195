# PSENet without references on the dark pictures of the training scenes.
_base_ = '../label_efficiency/psenet.py'
train_dataloader = dict(
    dataset=dict(data_root='data/night_half_size/', data_prefix=dict(img='Train/LLLR'))
)
