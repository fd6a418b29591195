"""Genotypes that were published: the operations of a distillation cell, by name.

A genotype is a sequence of seven names in the order d1, r1, d2, r2, d3, r3, d4 (distill and refine
edges of :class:`llv.models.enhancers.distillation_cell.DistillationCell`); the names are those of
:data:`llv.search.operations.OPERATIONS`.
"""

Genotype = tuple[str, ...]

# scene module for low-level enhancement, the same in the CVPR 2021 and the journal version of RUAS
RUAS_SCENE: Genotype = (
    'skip_connect',
    'resconv_1x1',
    'resdilconv_3x3',
    'conv_3x3',
    'conv_3x3',
    'skip_connect',
    'conv_3x3',
)

# scene module in front of the detector of the journal version
RUAS_SCENE_DETECTION: Genotype = (
    'skip_connect',
    'conv_1x1',
    'resconv_1x1',
    'resconv_1x1',
    'resconv_1x1',
    'resconv_1x1',
    'resconv_3x3',
)

# noise removal of the journal version
RUAS_NOISE_JOURNAL: Genotype = (
    'resconv_1x1',
    'resconv_3x3',
    'dilconv_3x3',
    'resconv_1x1',
    'resconv_3x3',
    'conv_3x3',
    'resconv_3x3',
)

# noise removal of the CVPR 2021 version
RUAS_NOISE_CVPR: Genotype = (
    'resconv_1x1',
    'resconv_1x1',
    'resdilconv_3x3',
    'skip_connect',
    'resconv_1x1',
    'resconv_1x1',
    'skip_connect',
)

# cells of one operation throughout, which the searched ones are compared with: Table III of the
# journal paper names them 1-C, 3-C, 1-RC, 3-RC, 3-2-DC and 3-2-RDC
UNIFORM: dict[str, Genotype] = {
    name: (operation,) * 7
    for name, operation in (
        ('1-C', 'conv_1x1'),
        ('3-C', 'conv_3x3'),
        ('1-RC', 'resconv_1x1'),
        ('3-RC', 'resconv_3x3'),
        ('3-2-DC', 'dilconv_3x3'),
        ('3-2-RDC', 'resdilconv_3x3'),
    )
}
