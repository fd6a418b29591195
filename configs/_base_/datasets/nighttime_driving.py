# Nighttime Driving: 50 pictures with coarse labels, to test on as on Dark Zurich; there is nothing to train with.
_base_ = 'dark_zurich.py'
dataset_type = 'llv.NightDrivingDataset'
data_root = 'data/NighttimeDrivingTest/'
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(
            img_path='leftImg8bit/test/night',
            seg_map_path='gtCoarse_daytime_trainvaltest/test/night',
        ),
    )
)
test_dataloader = val_dataloader
