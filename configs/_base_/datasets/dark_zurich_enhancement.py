# Dark Zurich's 50 labelled night pictures, to light and enlarge; there are no references, so they are judged without.
# Which pictures TriCo's authors took is unpublished. Each goes in as it is and comes out `scale` times as large; with
# `test_dataloader.dataset.pipeline.1.factor=0.5` (0.25 at ×4) it is shrunk first and comes out in its own size.
test_pipeline = [
    dict(type='llv.LoadPicture'),
    dict(type='llv.ScaleSide', factor=1),
    dict(type='llv.PackEnhancementInputs'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.PictureFolder',
        data_root='data/dark_zurich',
        data_prefix=dict(img='rgb_anon/val/night'),
        expected=50,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='llv.ImageQuality', metric=('niqe', 'brisque'), protocol='trico')
