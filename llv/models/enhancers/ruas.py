"""RUAS: Retinex-inspired unrolling with architecture search.

Liu et al., "Retinex-inspired Unrolling with Cooperative Prior Architecture Search for Low-light
Image Enhancement", CVPR 2021, and its journal version, "Learning with Nested Scene Modeling and
Cooperative Architecture Search for Low-Light Vision". Where papers and released code differ, this
follows the code, which the published weights need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from llv.registry import MODELS
from llv.search import genotypes
from llv.search.genotype_file import read_genotype
from llv.search.spaces import CELL_EDGES, LOW_LEVEL
from llv.utils.checkpoint import load_state_dict

from ..losses import DenoiseLoss, RUASSceneLoss, SupervisedDenoiseLoss
from .base import Enhancement, without_prefix
from .distillation_cell import DistillationCell
from .map_based import MapBasedEnhancer
from .noise_modules import NOISE_CHANNELS, NoiseEstimator, NoiseRemoval
from .scene_module import SceneModule

VERSIONS = ('RUAS_S', 'RUAS', 'RUAS_A')
PARTS = dict(
    RUAS_S=('scene',), RUAS=('scene', 'removal'), RUAS_A=('scene', 'estimation', 'removal')
)
WARM_STARTS = ('rectified', 'update', 'fixed')
SEARCH = 'search'

_LARGEST_NOISE = 0.25  # standard deviation in the training of the noise modules
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


@MODELS.register_module()
class RUAS(MapBasedEnhancer):
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
    has its stages, genotypes, ``t_min`` and warm start, and so has a checkpoint of llv, which holds
    them in the buffers ``options`` and ``scene.t_min``. For the CVPR files ``upe.pt`` and ``dark.pt`` the
    published result is that of ``RUAS_S``.

    The noise estimator needs no gradient unless it is the part that is trained: the gate passes none
    on.
    Where the scene module is searched, the loss of the noise removal moves it, as the search needs it.
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
        stages: Stages of the scene module; 3 as published.
        t_min: Smallest illumination; 1e-4 (journal, detection) or 1e-3 (cvpr).
        warm_start: See :class:`SceneModule`; ``update`` for detection, else ``rectified``.
        scene_genotype: For cells that were searched anew: a genotype file, its content, the name of a
            published one, or seven names of operations. ``search`` builds all candidates of each edge,
            mixed by weights that a search trains.
        noise_genotype: The same for the noise removal.
        scene_loss: Config of the scene loss, called with the illumination and the pictures;
            :class:`RUASSceneLoss` if None.
        denoise_loss: Config of the loss of the noise removal; :class:`DenoiseLoss` if None.
        train_part: What is trained, the rest being frozen: ``scene``, ``estimation`` or ``removal``
            (one after the other they make ``RUAS_A``), or None for everything but the noise
            estimator. See :meth:`loss`.
        estimate_scale: Size of the picture the illumination is estimated on over its full size; noise
            is estimated and removed at full size always. See :class:`MapBasedEnhancer`.
        weights: See :class:`BaseEnhancer`.

    Raises:
        ValueError: An option is unknown, or contradicts the weight file; also from
            ``load_state_dict`` when the checkpoint was made with other options.
    """

    def __init__(
        self,
        version: str = 'RUAS_S',
        variant: str | None = None,
        stages: int | None = None,
        t_min: float | None = None,
        warm_start: str | None = None,
        scene_genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None = None,
        noise_genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None = None,
        scene_loss: dict | None = None,
        denoise_loss: dict | None = None,
        train_part: str | None = None,
        estimate_scale: float = 1.0,
        weights: str | None = None,
    ) -> None:
        super().__init__(weights, estimate_scale)
        implied = self.implied_options()
        for name, value, known in (
            ('version', version, VERSIONS),
            ('variant', variant, (None, *VARIANTS)),
            ('warm_start', warm_start, (None, *WARM_STARTS)),
            ('train_part', train_part, (None, *PARTS.get(version, ()))),
        ):
            if value not in known:
                names = ', '.join(str(entry) for entry in known)
                raise ValueError(f'`{name}` must be one of {names}, but got {value!r}.')
            if name in implied and implied[name] not in known:  # files are input as well
                raise ValueError(
                    f'`{self.weights}` was made with `{name}={implied[name]!r}`, which this version '
                    'of llv does not know.'
                )
        if stages is not None and stages < 1:
            raise ValueError(f'`stages` must be at least 1, but got {stages}.')
        if t_min is not None and not 0 < t_min < 1:
            raise ValueError(f'`t_min` must lie between 0 and 1, but got {t_min}.')
        if version == 'RUAS_S' and noise_genotype == SEARCH:
            raise ValueError(
                'RUAS_S has no noise removal to search; choose `version` RUAS or RUAS_A.'
            )
        # checkpoints keep the names of the operations, whatever they were read from
        scene_genotype = _cell_genotype(scene_genotype, SceneModule.genotype_module)
        noise_genotype = _cell_genotype(noise_genotype, NoiseRemoval.genotype_module)

        preset = VARIANTS[variant or implied.get('variant') or 'journal']
        defaults = dict(
            variant='journal',
            stages=3,
            warm_start=preset.warm_start,
            scene_genotype=preset.scene_genotype,
        )
        if version != 'RUAS_S':
            defaults['noise_genotype'] = preset.noise_genotype
            if noise_genotype is None and not (
                preset.noise_genotype or implied.get('noise_genotype')
            ):
                raise ValueError(
                    f'The variant `{variant or implied.get("variant")}` has no noise removal, so '
                    f'`version` must be RUAS_S, but got {version}.'
                )
        options = self.settle_options(
            defaults,
            variant=variant,
            stages=stages,
            warm_start=warm_start,
            scene_genotype=scene_genotype,
            noise_genotype=noise_genotype,
        )
        self.refuse_contradictions(implied, t_min=t_min, noise_genotype=noise_genotype)

        self.version = version
        self.variant = options['variant']
        self.scene = SceneModule(
            _to_build(options['scene_genotype']),
            options['stages'],
            next(
                value for value in (t_min, implied.get('t_min'), preset.t_min) if value is not None
            ),
            options['warm_start'],
        )
        self.denoiser = self.noise_estimator = None
        if version != 'RUAS_S':
            self.denoiser = NoiseRemoval(_to_build(options['noise_genotype']))
        if version == 'RUAS_A':
            self.noise_estimator = NoiseEstimator()
        self.train_part = train_part
        trained = ('scene', 'removal') if train_part is None else (train_part,)
        for part, module in (
            ('scene', self.scene),
            ('estimation', self.noise_estimator),
            ('removal', self.denoiser),
        ):
            if module is not None and part not in trained:
                module.requires_grad_(False)
        self.scene_loss = RUASSceneLoss() if scene_loss is None else MODELS.build(scene_loss)
        self.denoise_loss = DenoiseLoss() if denoise_loss is None else MODELS.build(denoise_loss)
        self.supervised_denoise_loss = SupervisedDenoiseLoss()
        # for convolutions of so few channels this layout is faster on a CPU, backward more than twice
        self.to(memory_format=torch.channels_last)
        self.load_weights()

    @property
    def receptive_field(self) -> int | None:
        """Edge length of the smallest centred square that holds all a pixel of the result depends
        on.

        None for ``RUAS_A``, whose gate looks at the whole picture, and where the illumination is
        estimated on a reduced picture.
        """
        if self.noise_estimator is not None or self.estimate_scale != 1:
            return None
        # the local maxima look down and to the right only, so that side decides
        _, behind = self.scene.reach
        return 1 + 2 * (behind + (0 if self.denoiser is None else self.denoiser.radius))

    def estimate_maps(self, images: Tensor) -> dict[str, Tensor]:
        """``illumination``, (N, 3, h, w) in [t_min, 1]."""
        return dict(illumination=self.scene.illumination(images))

    def apply_maps(self, images: Tensor, maps: dict[str, Tensor]) -> Enhancement:
        """(N, 3, H, W) RGB in [0, 1] in, the same shape out; see the class for the maps."""
        u = (images / maps['illumination']).clamp_(0, 1)
        if self.denoiser is None:
            return Enhancement(u, maps)
        maps['scene'] = u
        if self.noise_estimator is None:
            raw = u - self.denoiser(u)
        else:
            maps['noise_level'] = self.noise_estimator(u.detach())
            noisy = maps['noise_level'] >= _NOISE_THRESHOLD
            raw = u
            # the same for training and for exported graphs, which cannot depend on data
            if self.training or torch.compiler.is_exporting():
                raw = torch.where(noisy.view(-1, 1, 1, 1), u - self.denoiser(u), u)
            elif noisy.any():
                chosen = noisy.nonzero().flatten()
                raw = u.index_copy(0, chosen, u[chosen] - self.denoiser(u[chosen]))
        maps['raw'] = raw
        return Enhancement(raw.clamp(0, 1), maps)

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The loss of what is trained.

        By default the scene loss of the last illumination, with noise removal also
        ``loss_denoise``; as published, the latter does not move the scene module in training, but does
        where the scene module is searched.

        How the published noise estimator was trained is unknown, and the published loss of the
        noise removal flattens pictures when it starts from nothing. So for ``train_part`` these are
        llv's own: Gaussian noise of a standard deviation drawn for each picture from U(0, 0.25) is
        added to the pictures, which should be well lit and clean. The estimator regresses the
        absolute noise pixel by pixel (``loss_noise``, mean absolute error), the removal predicts
        the noise (see :class:`SupervisedDenoiseLoss`).

        Args:
            enhancement: What :meth:`forward` returned for `images`.
            images: (N, 3, H, W) RGB in [0, 1]; dark, but well lit for the noise modules.
            references: Not used.
        """
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            if self.train_part in ('estimation', 'removal'):
                level = torch.rand(len(images), 1, 1, 1, device=images.device) * _LARGEST_NOISE
                noise = torch.randn_like(images) * level
                noisy = images + noise
                if self.train_part == 'removal':
                    return self.supervised_denoise_loss(noisy - self.denoiser(noisy), images)
                estimated = self.noise_estimator.noise_map(noisy)
                return dict(loss_noise=(estimated.abs() - noise.abs()).abs().mean())
            losses = self.scene_loss(enhancement.maps['illumination'], images)
            if self.denoiser is not None and self.train_part is None:
                scene = enhancement.maps['scene']
                searched = self.scene.architecture is not None
                if searched and self.noise_estimator is None:
                    denoised = enhancement.maps['raw']
                else:  # detached, or not gated
                    scene = scene if searched else scene.detach()
                    denoised = scene - self.denoiser(scene)
                losses['loss_denoise'] = self.denoise_loss(denoised, scene)
        return losses

    def derive(self) -> dict[str, Any]:
        """The genotypes of the parts, as arguments of this class; that of a fixed part is its own."""
        parts = dict(scene_genotype=self.scene, noise_genotype=self.denoiser)
        return {name: part.derive() for name, part in parts.items() if part is not None}

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
        # the constructor has taken from the file what it says about this
        part.setdefault('scene.t_min', self.scene.t_min.detach().clone())
        if names:
            print_log(
                f'{self.version} leaves {", ".join(names)} of {self.weights} out.', logger='current'
            )
        return part

    def check_options(self, theirs: Mapping[str, Any]) -> None:
        """As :class:`BaseEnhancer` does, but a variant is only a name for defaults."""
        super().check_options({k: v for k, v in theirs.items() if k != 'variant'})

    def implied_options(self) -> dict[str, Any]:
        """What the weight file says about the options; empty without a file of this network."""
        implied = super().implied_options()
        if self._weights_file is None:
            return implied
        state_dict = without_prefix(load_state_dict(self._weights_file))
        renamed = rename_official(state_dict)
        if 'options' not in renamed:
            if 'variant' not in implied and set(renamed) != set(state_dict):
                implied['variant'] = _recognise(renamed)
            if implied.get('variant') is not None:
                implied = {**vars(VARIANTS[implied['variant']]), **implied}
        stages = {name.split('.')[2] for name in renamed if name.startswith('scene.stages.')}
        if stages:
            implied['stages'] = len(stages)
        if 'scene.t_min' in renamed:
            implied['t_min'] = float(renamed['scene.t_min'])
        return {name: value for name, value in implied.items() if value is not None}


def _cell_genotype(value: Any, module: str) -> str | tuple[str, ...] | None:
    if value is None or value == SEARCH:
        return value
    return tuple(read_genotype(value, module, LOW_LEVEL, CELL_EDGES).values())


def _to_build(option: str | Sequence[str]) -> Sequence[str] | None:
    return None if option == SEARCH else option


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
        if holds('denoiser.cells.0.', NOISE_CHANNELS, VARIANTS[name].noise_genotype):
            return name
    return None
