"""TriCo: light and enlarge dark, small pictures with one network, trained in three levels.

Gao and Liu, "Enhancing Images with Coupled Low-Resolution and Ultra-Dark Degradations: A Tri-level Learning
Framework", ACM MM 2024. No code is public; what the paper leaves open is chosen to meet its Table 2: 1.435 million
parameters (1.424 printed) and 20.774 G multiply-accumulates of the convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from ..base import BaseEnhancer, Enhancement
from ..tiles import check_tiles, enhance_in_tiles
from .prior import SemanticPrior, build_prior
from .refiner import LFR, SCALES
from .regulator import LEVELS, LII, Illumination

_DIVISOR = 8
_LOSS = 'scene_loss.'


@MODELS.register_module()
class TriCo(BaseEnhancer):
    """A regulator divides the picture by its illumination, a refiner makes the result of the quotient, asked by a
    semantic prior and by the illumination; 1 391 912 parameters at scale 2, 1 435 176 with MobileSAM's features.

    A network is trained for one scale. Sides that are no multiples of eight are padded below and to the right by
    reflection and cropped back; those below five pixels by replication to five before. The attention is between
    channels and sums over the picture, so tiles change the result everywhere: they save memory, and are off by default.

    ``Enhancement.maps``: ``raw``, y (N, 3, s·H, s·W) before the clamp, which the losses judge; ``reflectance`` v,
    ``illumination`` u and ``alpha``, (N, 3, H, W) in [0, 1] with v = x / u.

    The arguments up to `prior` belong to the weights: None takes what the weight file says, else the default.

    Args:
        scale: Output size / input size, 1, 2 or 4; 2 by default.
        width: Channels of the refiner, a multiple of four and of the numbers of heads; 64.
        illumination_width: Channels of the regulator; 32.
        blocks: Encoder blocks on the four levels of the refiner; 1, 1, 2, 4.
        heads: Of the attentions on the four levels; 1, 2, 4, 8.
        ffn_expansion: Hidden channels of the feed-forward layers by their width; 2.66.
        use_lii: With the regulator. Without it v = x, and the modulators ask themselves; True.
        use_ihem: With the modulators. Without them the prior is not run; True.
        use_global_residual: Add the enlarged reflectance to the result; True.
        upsampling_rank: Channels of the second-order features that the kernels of the up-sampling come from; 32.
        upsampling_kernel: Side of these kernels, odd; 5.
        prior: What the semantic features come from: ``'sam'``, MobileSAM, as published; ``'torchvision'``, ResNet-18;
            ``'none'``, the default, which needs no weights; or a config such as ``dict(type='sam',
            weights='mobile_sam.pt')`` or ``dict(type='torchvision', model='vgg16')``, see
            :mod:`llv.models.enhancers.trico.prior`. It is frozen, no child of this module and in none of its
            checkpoints.
        detach_prior: No gradient through the prior into the regulator.
        illumination_bias: Where the logits of α start: 2 is a gain of 8 for black.
        scene_loss: Config of the loss, such as ``dict(type='llv.TriCoLoss')``; None for none.
        tile: Side of the tiles, a multiple of eight such as 256, that pictures larger than it are lit in; None for
            whole pictures. In eval mode only: in training a picture is a crop that is seen whole. See
            :mod:`llv.models.enhancers.tiles`.
        tile_overlap: In pixels of the picture, at most half a tile. Its outer quarters are left out, between them one
            tile passes into the next linearly.
        weights: See :class:`BaseEnhancer`; the loss keeps its own state.

    Raises:
        ValueError: An option is out of its range or contradicts the weight file.
    """

    minimum_size = 5  # the reflection of five pixels makes eight

    def __init__(
        self,
        scale: int | None = None,
        width: int | None = None,
        illumination_width: int | None = None,
        blocks: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        ffn_expansion: float | None = None,
        use_lii: bool | None = None,
        use_ihem: bool | None = None,
        use_global_residual: bool | None = None,
        upsampling_rank: int | None = None,
        upsampling_kernel: int | None = None,
        prior: str | dict | None = None,
        detach_prior: bool = True,
        illumination_bias: float = 2.0,
        scene_loss: dict | None = None,
        tile: int | None = None,
        tile_overlap: int = 16,
        weights: str | None = None,
    ) -> None:
        super().__init__(weights)
        if tile is not None:
            check_tiles(tile, tile_overlap, _DIVISOR)
        self.tile = tile
        self.tile_overlap = tile_overlap
        chosen = None if prior is None else build_prior(prior)
        options = self.settle_options(
            dict(
                scale=2,
                width=64,
                illumination_width=32,
                blocks=(1, 1, 2, 4),
                heads=(1, 2, 4, 8),
                ffn_expansion=2.66,
                use_lii=True,
                use_ihem=True,
                use_global_residual=True,
                upsampling_rank=32,
                upsampling_kernel=5,
                prior=dict(type='none'),
            ),
            scale=scale,
            width=width,
            illumination_width=illumination_width,
            blocks=None if blocks is None else tuple(blocks),
            heads=None if heads is None else tuple(heads),
            ffn_expansion=ffn_expansion,
            use_lii=use_lii,
            use_ihem=use_ihem,
            use_global_residual=use_global_residual,
            upsampling_rank=upsampling_rank,
            upsampling_kernel=upsampling_kernel,
            prior=None if prior is None else _described(chosen),
        )
        _check(options)
        if prior is None:
            chosen = build_prior(options['prior'])
        self.scale: int = options['scale']
        self.detach_prior = detach_prior
        # not `self.prior = …`, which would make it a child: no optimizer, checkpoint or count is to see it
        self.__dict__['prior'] = chosen
        self.regulator = None
        if options['use_lii']:
            self.regulator = LII(options['illumination_width'], illumination_bias)
        self.refiner = LFR(
            scale=self.scale,
            width=options['width'],
            semantic_channels=(0,) * LEVELS if chosen is None else chosen.out_channels,
            illumination_channels=options['illumination_width'] if options['use_lii'] else 0,
            blocks=options['blocks'],
            heads=options['heads'],
            expansion=options['ffn_expansion'],
            use_ihem=options['use_ihem'],
            global_residual=options['use_global_residual'],
            rank=options['upsampling_rank'],
            kernel=options['upsampling_kernel'],
        )
        # a tenth to a fifth faster on a CPU than the default layout
        self.to(memory_format=torch.channels_last)
        self.scene_loss = None if scene_loss is None else MODELS.build(scene_loss)
        self.load_weights()

    def illumination_parameters(self) -> Iterator[nn.Parameter]:
        """ω_i, those of the regulator."""
        return iter(()) if self.regulator is None else self.regulator.parameters()

    def refinement_parameters(self) -> Iterator[nn.Parameter]:
        """ω_s, those of the refiner with its modulators and its head."""
        return self.refiner.parameters()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) RGB in [0, 1] in, (N, 3, s·H, s·W) out; see the class for the maps."""
        if self.tile is None or self.training:
            maps = self._maps(images)
        else:
            # convolutions feel the border of a tile, the more the nearer it is
            reach = self.tile_overlap // 4
            maps = enhance_in_tiles(
                self._maps, images, self.tile, self.tile_overlap, _DIVISOR, reach
            )
        return Enhancement(maps['raw'].clamp(0, 1), maps)

    def _maps(self, images: Tensor) -> dict[str, Tensor]:
        """Of a picture that is seen whole."""
        height, width = images.shape[-2:]
        lit = self.regulate(_pad(images))
        raw = self.refiner(lit.reflectance, self.semantic_features(lit.reflectance), lit.features)
        raw = raw[..., : self.scale * height, : self.scale * width]
        return dict(
            raw=raw,
            reflectance=lit.reflectance[..., :height, :width],
            illumination=lit.illumination[..., :height, :width],
            alpha=lit.alpha[..., :height, :width],
        )

    def regulate(self, images: Tensor) -> Illumination:
        """What the regulator finds; without one, an illumination of 1.

        Args:
            images: (N, 3, H, W) RGB in [0, 1], H and W multiples of eight.
        """
        if self.regulator is not None:
            return self.regulator(images)
        ones = torch.ones_like(images)
        return Illumination(torch.zeros_like(images), ones, images, [None] * LEVELS)

    def semantic_features(self, reflectance: Tensor) -> Sequence[Tensor | None]:
        """The prior's four feature maps of (N, 3, H, W) RGB in [0, 1]; None four times where there are none."""
        prior: SemanticPrior | None = self.prior
        if prior is None or self.refiner.modulators is None:
            return [None] * LEVELS
        with torch.no_grad() if self.detach_prior else nullcontext():
            return prior(reflectance)

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What ``scene_loss`` says, for training by one loop with the hyper-variables at rest.

        Args:
            enhancement: What :meth:`forward` returned for `images`.
            images: (N, 3, H, W) RGB in [0, 1].
            references: Well-lit pictures of the same scenes, (N, 3, s·H, s·W) RGB in [0, 1].

        Raises:
            TypeError: There is no loss.
        """
        if self.scene_loss is None:
            raise TypeError(
                "This `TriCo` has no scene loss; give it one by `scene_loss=dict(type='llv.TriCoLoss')`, or train it "
                'with the task loss alone.'
            )
        with torch.autocast(images.device.type, enabled=False):
            return self.scene_loss(enhancement, images, references)

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Those of the network; the state of a loss is not among the weights."""
        network = {k: v for k, v in state_dict.items() if not k.startswith(_LOSS)}
        return network | {k: v for k, v in self.state_dict().items() if k.startswith(_LOSS)}

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> TriCo:
        super()._apply(fn, *args, **kwargs)
        if self.prior is not None:  # no child, but it goes where the children go
            self.prior.to(next(self.refiner.parameters()).device)
        return self


def _described(prior: SemanticPrior | None) -> dict[str, Any]:
    return dict(type='none') if prior is None else prior.options


def _check(options: Mapping[str, Any]) -> None:
    """Refuse what no network can be built of.

    Raises:
        ValueError: In a sentence that names the option.
    """
    if options['scale'] not in SCALES:
        raise ValueError(
            f'`scale` must be 1, 2 or 4, the factors that TriCo has a head for, but got {options["scale"]!r}.'
        )
    for name in ('blocks', 'heads'):
        counts = options[name]
        if len(counts) != LEVELS or not all(isinstance(n, int) and n > 0 for n in counts):
            raise ValueError(f'`{name}` must be four positive integers, but got {counts!r}.')
    for name in ('width', 'illumination_width', 'upsampling_rank', 'upsampling_kernel'):
        if not isinstance(options[name], int) or options[name] < 1:
            raise ValueError(f'`{name}` must be a positive integer, but got {options[name]!r}.')
    width = options['width']
    if any(width % n for n in (4, *options['heads'])):
        raise ValueError(
            f'`width` must be a multiple of 4 and of all `heads` {options["heads"]}, but got {width}.'
        )
    if not options['upsampling_kernel'] % 2:
        raise ValueError(
            f'`upsampling_kernel` must be odd, so that it has a middle, but got {options["upsampling_kernel"]}.'
        )
    if not 1 / width <= options['ffn_expansion'] < float('inf'):
        raise ValueError(
            f'`ffn_expansion` must give each feed-forward layer a channel, but got {options["ffn_expansion"]!r}.'
        )


def _pad(images: Tensor) -> Tensor:
    """Fill up the bottom and the right to multiples of eight."""
    height, width = images.shape[-2:]
    below, right = -height % _DIVISOR, -width % _DIVISOR
    if not (below or right):
        return images
    return F.pad(images, (0, right, 0, below), mode='reflect')
