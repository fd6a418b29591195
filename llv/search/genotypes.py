"""Genotypes that were published: the operations of a searched network, by name.

The genotype of a distillation cell is a sequence of seven names in the order d1, r1, d2, r2, d3, r3,
d4 (distill and refine edges of
:class:`llv.models.enhancers.distillation_cell.DistillationCell`); the names are those of
:data:`llv.search.operations.OPERATIONS`. The genotype of a detector names the layers of its neck and
its head, see :class:`DetectorGenotype`. Those that were published come from files, which every searchable
module also takes by their names, see :mod:`llv.search.genotype_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from .genotype_file import read_genotype
from .operations import LAYERS
from .spaces import CELL_EDGES, HIGH_LEVEL, LOW_LEVEL, head_edges, neck_edges

Genotype = tuple[str, ...]


def _cell(name: str, module: str) -> Genotype:
    return tuple(read_genotype(name, module, LOW_LEVEL, CELL_EDGES).values())


# scene module for low-level enhancement, the same in the CVPR 2021 and the journal version of RUAS
RUAS_SCENE = _cell('ruas-scene', 'scene_module')

# scene module in front of the detector of the journal version
RUAS_SCENE_DETECTION = _cell('ruas-scene-detection', 'scene_module')

# noise removal of the journal version, and of the CVPR 2021 version
RUAS_NOISE_JOURNAL = _cell('ruas-noise-journal', 'noise_removal')
RUAS_NOISE_CVPR = _cell('ruas-noise-cvpr', 'noise_removal')

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


@dataclass(frozen=True)
class DetectorGenotype:
    """The layers of a searched neck and head, names of :data:`llv.search.operations.LAYERS`.

    The canonical order of the 16 is that of the fields.

    Attributes:
        neck: Four extra layers, the second and the fourth of stride 2.
        loc: Box layers of the six maps, the finest first.
        conf: Class layers of the six maps.
    """

    neck: Genotype
    loc: Genotype
    conf: Genotype

    def __post_init__(self) -> None:
        for part, count in dict(neck=4, loc=6, conf=6).items():
            names = getattr(self, part)
            if not isinstance(names, (list, tuple)) or len(names) != count:
                raise ValueError(
                    f'`{part}` of a detector genotype has {count} names of layers, but got {names!r}.'
                )
            for name in names:
                if name not in LAYERS:
                    raise ValueError(
                        f'`{part}` of a detector genotype names the layer `{name}`; '
                        f'choose from {", ".join(LAYERS)}.'
                    )
            object.__setattr__(self, part, tuple(names))  # lists are what configs hold


def _detector(name: str) -> DetectorGenotype:
    neck = read_genotype(name, 'ssd_neck', HIGH_LEVEL, neck_edges(4))
    head = read_genotype(name, 'ssd_head', HIGH_LEVEL, head_edges(6))
    layers = tuple(head.values())
    return DetectorGenotype(tuple(neck.values()), layers[:6], layers[6:])


# detector of the journal version, searched on DARK FACE with a frozen backbone
RUAS_DARKFACE = _detector('ruas-darkface')

DETECTORS: dict[str, DetectorGenotype] = {'ruas-darkface': RUAS_DARKFACE}


def detector_genotype(
    genotype: str | Mapping[str, Genotype] | DetectorGenotype,
) -> DetectorGenotype:
    """The genotype of a detector from what a config may say.

    Args:
        genotype: A name of :data:`DETECTORS`, or the names of layers under ``neck``, ``loc`` and ``conf``.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(genotype, DetectorGenotype):
        return genotype
    parts = [field.name for field in fields(DetectorGenotype)]
    if isinstance(genotype, Mapping) and set(genotype) == set(parts):
        return DetectorGenotype(**genotype)
    if isinstance(genotype, str) and genotype in DETECTORS:
        return DETECTORS[genotype]
    raise ValueError(
        f'`genotype` must be one of {", ".join(DETECTORS)} or a dict with the keys '
        f'{", ".join(parts)}, but got {genotype!r}.'
    )
