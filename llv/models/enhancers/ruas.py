"""RUAS: Retinex-inspired unrolling with architecture search.

Liu et al., "Retinex-inspired Unrolling with Cooperative Prior Architecture Search for Low-light
Image Enhancement", CVPR 2021, and its journal version, "Learning with Nested Scene Modeling and
Cooperative Architecture Search for Low-Light Vision". Where papers and released code differ, this
follows the code, which the published weights need.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from llv.registry import MODELS
from llv.search import genotypes
from llv.utils.checkpoint import load_state_dict

from ..losses import DenoiseLoss, RUASSceneLoss
from .base import BaseEnhancer, Enhancement, without_prefix
from .distillation_cell import DistillationCell

VERSIONS = ('RUAS_S', 'RUAS', 'RUAS_A')
WARM_STARTS = ('rectified', 'update')

_RECTIFICATION = 0.5  # γ of the warm start
_NOISE_CHANNELS = 6
_NOISE_CELLS = 3
_NOISE_THRESHOLD = 0.035  # mean absolute noise from which RUAS_A denoises


@dataclass(frozen=True)
class Variant:
    """What belongs together in one release of RUAS."""

    scene_genotype: genotypes.Genotype
    noise_genotype: genotypes.Genotype | None
    t_min: float
    warm_start: str


VARIANTS = dict(
    journal=Variant(genotypes.RUAS_SCENE, genotypes.RUAS_NOISE_JOURNAL, 1e-4, 'rectified'),
    cvpr=Variant(genotypes.RUAS_SCENE, genotypes.RUAS_NOISE_CVPR, 1e-3, 'rectified'),
    detection=Variant(genotypes.RUAS_SCENE_DETECTION, None, 1e-4, 'update'),
)

_NAMED_OPTIONS = (
    *(('variant', name) for name in VARIANTS),
    *(('warm_start', name) for name in WARM_STARTS),
)


def local_maximum(images: Tensor) -> Tensor:
    """max_Ω: each channel's maximum over a pixel and its right, lower and lower right neighbour.

    Args:
        images: (N, C, H, W), not negative: outside the picture counts as 0.

    Returns:
        The same shape.
    """
    return F.max_pool2d(F.pad(images, (0, 1, 0, 1)), 2, stride=1)


class SceneModule(nn.Module):
    """Estimate the illumination t stage by stage and divide by it: u = clip(y / t, 0, 1).

    Stage k starts from t̂ = max_Ω(y) or from a warm start and has t_k = max(sigmoid(cell_k(t̂)),
    t_min), one value a pixel and channel. The stages share an architecture but no weights.

    Args:
        genotype: Seven operations, see :class:`DistillationCell`.
        stages: Number of stages K.
        t_min: Smallest illumination, so 1 / t_min is the largest gain. Kept in the state dict as
            ``t_min``, because weights are wrong with any other.
        warm_start: t̂ from the second stage on: ``rectified`` is max_Ω(u) - 0.5 (u - y), ``update``
            is u.

    Attributes:
        reach: How many pixels before (up, left) and behind (down, right) the result depends on.
    """

    def __init__(
        self,
        genotype: Sequence[str],
        stages: int = 3,
        t_min: float = 1e-4,
        warm_start: str = 'rectified',
    ) -> None:
        super().__init__()
        self.warm_start = warm_start
        self.stages = nn.ModuleList(DistillationCell(3, genotype) for _ in range(stages))
        self.register_buffer('t_min', torch.tensor(float(t_min)))

    @property
    def reach(self) -> tuple[int, int]:
        cell = sum(stage.radius for stage in self.stages)
        maxima = len(self.stages) if self.warm_start == 'rectified' else 1
        return cell, cell + maxima

    def unroll(self, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (u, t) of one stage after the other, each (N, 3, H, W); nothing older is kept."""
        start = local_maximum(images)
        last = len(self.stages) - 1
        for k, cell in enumerate(self.stages):
            # the sigmoid is below 1 already
            t = torch.maximum(cell(start).sigmoid(), self.t_min)
            u = (images / t).clamp(0, 1)
            yield u, t
            if k < last:
                rectified = self.warm_start == 'rectified'
                start = local_maximum(u) - _RECTIFICATION * (u - images) if rectified else u

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(u, t) of the last stage, each (N, 3, H, W), for RGB pictures in [0, 1]."""
        return deque(self.unroll(images), maxlen=1).pop()


class NoiseRemoval(nn.Module):
    """Predict the noise of a lit picture, to be subtracted from it.

    Args:
        genotype: Seven operations, see :class:`DistillationCell`.

    Attributes:
        radius: How many pixels to each side the result depends on.
    """

    def __init__(self, genotype: Sequence[str]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _NOISE_CHANNELS, 3, padding=1)
        self.cells = nn.Sequential(
            *(DistillationCell(_NOISE_CHANNELS, genotype) for _ in range(_NOISE_CELLS))
        )
        self.head = nn.Conv2d(_NOISE_CHANNELS, 3, 3, padding=1)

    @property
    def radius(self) -> int:
        return 2 + sum(cell.radius for cell in self.cells)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] in, noise of the same shape out."""
        return self.head(self.cells(self.stem(images)))


class NoiseEstimator(nn.Module):
    """Estimate how noisy each lit picture is: five convolutions and the mean absolute value."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 32, 32, 32, 3)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] in, (N,) noise levels out."""
        for conv in self.convs[:-1]:
            images = conv(images).relu()
        return self.convs[-1](images).abs().mean(dim=(1, 2, 3))


@MODELS.register_module()
class RUAS(BaseEnhancer):
    """RUAS in its three sizes and its published variants.

    =========== ==================================================== ============================
    version     what runs                                            parameters (cvpr / journal)
    =========== ==================================================== ============================
    ``RUAS_S``  scene module                                         1 161
    ``RUAS``    scene module, noise removal                          3 438 / 7 146
    ``RUAS_A``  scene module, noise estimation, and noise removal    – / 36 653
                for each picture with a noise level of 0.035 or more
    =========== ==================================================== ============================

    The official files load as they are, into every version that they have the parts of; what the
    version does not use is left out. A file also settles the options that are None: an official one
    has its genotypes, ``t_min`` and warm start, and so has a checkpoint of llv, which holds them in
    the buffers ``options`` and ``scene.t_min``. For the CVPR files ``upe.pt`` and ``dark.pt`` the
    published result is that of ``RUAS_S``.

    The noise estimator needs no gradient: no published loss trains it, and the gate passes none on.
    In training the noise removal looks at every picture and the gate selects afterwards, so that
    each parameter that is trained has a gradient, possibly zero, in each step, as DDP needs it.

    ``Enhancement.maps``: ``illumination`` t of the last stage, (N, 3, H, W) in [t_min, 1]; with
    noise removal also ``scene``, the lit picture before it, and ``raw``, the result before the
    clamp; for ``RUAS_A`` ``noise_level`` (N,).

    Args:
        version: ``RUAS_S``, ``RUAS`` or ``RUAS_A``.
        variant: ``journal``, ``cvpr`` or ``detection`` (scene module of the journal version in
            front of its detector); gives the defaults of the other options. None: that of the
            weight file, else ``journal``.
        stages: Stages of the scene module.
        t_min: Smallest illumination; 1e-4 (journal, detection) or 1e-3 (cvpr).
        warm_start: See :class:`SceneModule`; ``update`` for detection, else ``rectified``.
        scene_genotype: Seven names of operations, for cells that were searched anew.
        noise_genotype: The same for the noise removal.
        scene_loss: Config of the scene loss, called with the illumination and the pictures;
            :class:`RUASSceneLoss` if None.
        denoise_loss: Config of the loss of the noise removal; :class:`DenoiseLoss` if None.
        weights: See :class:`BaseEnhancer`.

    Raises:
        ValueError: An option is unknown, or contradicts the weight file; also from
            ``load_state_dict`` when the checkpoint was made with other options.
    """

    def __init__(
        self,
        version: str = 'RUAS_S',
        variant: str | None = None,
        stages: int = 3,
        t_min: float | None = None,
        warm_start: str | None = None,
        scene_genotype: Sequence[str] | None = None,
        noise_genotype: Sequence[str] | None = None,
        scene_loss: dict | None = None,
        denoise_loss: dict | None = None,
        weights: str | None = None,
    ) -> None:
        super().__init__(weights)
        for name, value, known in (
            ('version', version, VERSIONS),
            ('variant', variant, (None, *VARIANTS)),
            ('warm_start', warm_start, (None, *WARM_STARTS)),
        ):
            if value not in known:
                names = ', '.join(str(entry) for entry in known)
                raise ValueError(f'`{name}` must be one of {names}, but got {value!r}.')
        if stages < 1:
            raise ValueError(f'`stages` must be at least 1, but got {stages}.')
        if t_min is not None and not 0 < t_min < 1:
            raise ValueError(f'`t_min` must lie between 0 and 1, but got {t_min}.')

        asked = dict(
            variant=variant,
            t_min=t_min,
            warm_start=warm_start,
            scene_genotype=None if scene_genotype is None else tuple(scene_genotype),
            noise_genotype=None if noise_genotype is None else tuple(noise_genotype),
        )
        implied = self._implied_options()
        for name, value in asked.items():
            theirs = implied.get(name)
            if value is not None and theirs is not None and not _equal(value, theirs):
                raise ValueError(
                    f'`{name}={value!r}` contradicts `{self.weights}`, which was made with '
                    f'{theirs!r}; leave `{name}` out or choose another file.'
                )

        def option(name: str):
            for value in (asked[name], implied.get(name)):
                if value is not None:
                    return value
            return getattr(VARIANTS[self.variant], name)

        self.version = version
        self.variant = variant or implied.get('variant', 'journal')
        self.scene = SceneModule(
            option('scene_genotype'), stages, option('t_min'), option('warm_start')
        )
        self.denoiser = self.noise_estimator = None
        if version != 'RUAS_S':
            if option('noise_genotype') is None:
                raise ValueError(
                    f'The variant `{self.variant}` has no noise removal, so `version` must be '
                    f'RUAS_S, but got {version}.'
                )
            self.denoiser = NoiseRemoval(option('noise_genotype'))
        if version == 'RUAS_A':
            self.noise_estimator = NoiseEstimator().requires_grad_(False)
        self._options = dict(
            variant=self.variant,
            warm_start=option('warm_start'),
            scene_genotype=tuple(option('scene_genotype')),
        )
        if self.denoiser is not None:
            self._options['noise_genotype'] = tuple(option('noise_genotype'))
        self.register_buffer('options', _pack(self._options))
        self.scene_loss = RUASSceneLoss() if scene_loss is None else MODELS.build(scene_loss)
        self.denoise_loss = DenoiseLoss() if denoise_loss is None else MODELS.build(denoise_loss)
        # for convolutions of so few channels this layout is faster on a CPU, backward more than twice
        self.to(memory_format=torch.channels_last)
        self.load_weights()

    @property
    def receptive_field(self) -> int | None:
        """Edge length of the smallest centred square that holds all a pixel of the result depends
        on.

        None for ``RUAS_A``, whose gate looks at the whole picture.
        """
        if self.noise_estimator is not None:
            return None
        # the local maxima look down and to the right only, so that side decides
        _, behind = self.scene.reach
        return 1 + 2 * (behind + (0 if self.denoiser is None else self.denoiser.radius))

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) RGB in [0, 1] in, the same shape out; see the class for the maps."""
        u, t = self.scene(images)
        maps = dict(illumination=t)
        if self.denoiser is None:
            return Enhancement(u, maps)
        maps['scene'] = u
        if self.noise_estimator is None:
            raw = u - self.denoiser(u)
        else:
            maps['noise_level'] = self.noise_estimator(u.detach())
            noisy = maps['noise_level'] >= _NOISE_THRESHOLD
            raw = u
            if self.training:
                raw = torch.where(noisy.view(-1, 1, 1, 1), u - self.denoiser(u), u)
            elif noisy.any():
                chosen = noisy.nonzero().flatten()
                raw = u.index_copy(0, chosen, u[chosen] - self.denoiser(u[chosen]))
        maps['raw'] = raw
        return Enhancement(raw.clamp(0, 1), maps)

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The scene loss of the last illumination; with noise removal also ``loss_denoise``.

        As published, the loss of the noise removal does not move the scene module.

        Args:
            enhancement: What :meth:`forward` returned for `images`.
            images: (N, 3, H, W) RGB in [0, 1].
            references: Not used.
        """
        with torch.autocast(images.device.type, enabled=False):
            losses = self.scene_loss(enhancement.maps['illumination'], images.float())
            if self.denoiser is not None:
                scene = enhancement.maps['scene'].detach()
                losses['loss_denoise'] = self.denoise_loss(scene - self.denoiser(scene), scene)
        return losses

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Official or llv names in, the part that this version uses in llv's names out."""
        state_dict = rename_official(state_dict)
        if not any(name.startswith('scene.stages.') for name in state_dict):
            return state_dict
        unused = ['detection_net.']
        if self.denoiser is None:
            unused.append('denoiser.')
        if self.noise_estimator is None:
            unused.append('noise_estimator.')
        part = {k: v for k, v in state_dict.items() if not k.startswith(tuple(unused))}
        names = sorted({name.split('.')[0] for name in state_dict if name not in part})
        # the constructor has taken from the file what it says about these
        part.setdefault('scene.t_min', self.scene.t_min.detach().clone())
        part['options'] = self.options.clone()
        if names:
            print_log(
                f'{self.version} leaves {", ".join(names)} of {self.weights} out.', logger='current'
            )
        return part

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        name = f'{prefix}options'
        if name in state_dict:
            for option, theirs in _unpack(state_dict[name], 'The checkpoint').items():
                own = self._options.get(option, theirs)
                # a variant is a name for defaults
                if option != 'variant' and own != theirs:
                    raise ValueError(
                        f'The checkpoint was made with `{option}={theirs!r}`, but this '
                        f'`{type(self).__name__}` has {own!r}; build it with the options of the '
                        'checkpoint.'
                    )
            state_dict[name] = _pack(self._options)  # of another length where the variant differs
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _implied_options(self) -> dict[str, Any]:
        """What the weight file says about the options; empty without a file of this network."""
        if self.weights is None or not Path(self.weights).expanduser().is_file():
            return {}
        state_dict = without_prefix(load_state_dict(self.weights))
        renamed = rename_official(state_dict)
        official = set(renamed) != set(state_dict)
        variant = _recognise(renamed) if official else None
        implied = {} if variant is None else dict(variant=variant, **vars(VARIANTS[variant]))
        if 'options' in renamed:
            implied = _unpack(renamed['options'], f'`{self.weights}`')
        if 'scene.t_min' in renamed:
            implied['t_min'] = float(renamed['scene.t_min'])
        return implied


_OFFICIAL_NAMES = (
    (r'^enhance_net\.iems\.(\d+)\.cell\.', r'scene.stages.\1.'),
    (r'^(denoise_net\.)?nrms\.(\d+)\.', r'denoiser.cells.\2.'),
    (r'^(denoise_net\.)?stem\.', 'denoiser.stem.'),
    (r'^(denoise_net\.)?activate\.0\.', 'denoiser.head.'),
    (r'\.c([123])_d\.op\.', lambda match: f'.distill.{int(match[1]) - 1}.conv.'),
    (r'\.c([123])_r\.op\.', lambda match: f'.refine.{int(match[1]) - 1}.conv.'),
    (r'\.c4\.op\.', '.distill.3.conv.'),
    (r'\.c5\.', '.fuse.'),
    # every second layer of the official estimator is an activation
    (r'^estimation\.estimation\.(\d+)\.', lambda m: f'noise_estimator.convs.{int(m[1]) // 2}.'),
)


def rename_official(state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Give the tensors of an official weight file of RUAS the names they have in :class:`RUAS`.

    Knows the enhancement files of both releases, the enhancement part of the detection network and
    the bare noise removal (``denoise.pt``), whose result goes into ``RUAS.denoiser`` after the
    prefix ``denoiser.`` is taken off. Anything else is returned as it is.
    """
    if not any(re.match(r'enhance_net\.iems\.|(denoise_net\.)?nrms\.\d', k) for k in state_dict):
        return state_dict
    renamed = {}
    for name, value in state_dict.items():
        for pattern, replacement in _OFFICIAL_NAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def _recognise(state_dict: Mapping[str, Tensor]) -> str | None:
    """The variant whose cells have the shapes of these tensors (llv's names), if that is clear."""

    def holds(prefix: str, channels: int, genotype: Sequence[str]) -> bool:
        shapes = {k[len(prefix) :]: v.shape for k, v in state_dict.items() if k.startswith(prefix)}
        with torch.device('meta'):  # no memory, no random numbers
            cell = DistillationCell(channels, genotype)
        return shapes == {name: value.shape for name, value in cell.state_dict().items()}

    if holds('scene.stages.0.', 3, genotypes.RUAS_SCENE_DETECTION):
        return 'detection'
    for name in ('journal', 'cvpr'):
        if holds('denoiser.cells.0.', _NOISE_CHANNELS, VARIANTS[name].noise_genotype):
            return name
    return None


def _pack(options: Mapping[str, Any]) -> Tensor:
    """Options as the bytes of their JSON: only tensors survive every way a checkpoint takes."""
    return torch.tensor(list(json.dumps(options).encode()), dtype=torch.uint8)


def _unpack(tensor: Tensor, source: str) -> dict[str, Any]:
    """What :func:`_pack` packed; `source` names its origin in errors."""
    unreadable = f'{source} holds no readable `options` of RUAS; fetch or save it again.'
    if tensor.dtype != torch.uint8 or tensor.ndim != 1:
        raise ValueError(unreadable)
    try:
        options = json.loads(bytes(tensor.tolist()))
    except ValueError as error:
        raise ValueError(unreadable) from error
    if not isinstance(options, dict):
        raise ValueError(unreadable)
    for name, value in options.items():
        if name in ('scene_genotype', 'noise_genotype') and isinstance(value, list):
            options[name] = tuple(value)
        elif (name, value) not in _NAMED_OPTIONS:
            raise ValueError(
                f'{source} was made with `{name}={value!r}`, which this version of llv does not know.'
            )
    return options


def _equal(a: object, b: object) -> bool:
    """Equality that forgives the float32 in which a checkpoint keeps its numbers."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5)
    return a == b
