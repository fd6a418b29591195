# The hand-made counterpart of RUAS's searched detector: the neck of SSD and heads of 3×3 convolutions. What the paper's
# baseline was made of is not published; this one is ours.
_base_ = 'ruas-detector_darkface.py'
model = dict(
    genotype=dict(
        _delete_=True,
        neck=['conv_1x1', 'conv_3x3', 'conv_1x1', 'conv_3x3'],
        loc=['conv_3x3'] * 6,
        conf=['conv_3x3'] * 6,
    )
)
