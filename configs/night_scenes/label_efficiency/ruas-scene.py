# The scene module of RUAS on 1,500 unlabelled night pictures, by the published recipe.
_base_ = '../ruas-scene.py'
train_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data_root='data/night_scenes_96/')
)
