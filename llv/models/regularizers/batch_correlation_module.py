"""The batch-correlation module of ERL: a transformer whose tokens are the pictures of a batch.

Huang et al., "Learning Sample Relationship for Exposure Correction", CVPR 2023, Section 3. No code was published and
the paper gives the course of the computation but no sizes, so widths, depths and resampling here are our choices, and
options.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.models.enhancers.options import pack_options, same_option, unpack_options
from llv.registry import MODELS

_CHOICES = dict(resize=('area', 'bilinear'), attention=('batch', 'self'))


@MODELS.register_module()
class BatchCorrelationModule(nn.Module):
    """Relate the pictures of a batch to each other, and reproduce each from itself and what the others told it.

    ::

        images ─ encoder ─ F ─┬─────────────────────────────────────────────┬─ fusion ─ decoder ─ I'
                              └ to 16×16, flatten ─ transformer ─ to H×W ─ F'┘
                                                        └ what `relate` returns

    A token is a whole picture: attention runs over the batch. There is no positional code, so a permutation of the
    batch permutes the result. 25 186 304 of 25 189 219 parameters are those of the transformer, whose width is
    channels · grid².

    The options travel in the state dict as the buffer ``options``, so that a checkpoint builds the module it was made
    with.

    Args:
        channels: C, the width of the features.
        grid: Rows and columns to which the features are reduced.
        heads: Heads of the attention; a divisor of channels · grid².
        depth: Layers of the transformer.
        ffn_ratio: Width of the feed-forward part of a layer / width of the transformer.
        norm_first: Normalise before attention and feed-forward part, without a norm after the last sum, so that the
            start is near the identity; False: after each.
        dropout: In the transformer, in training only.
        resize: ``'area'`` averages over the cells of the grid; ``'bilinear'`` samples, and lets noise through.
        attention: ``'batch'``; ``'self'`` is an ablation in which each picture attends to itself alone.

    Raises:
        ValueError: An option has no such value.
    """

    def __init__(
        self,
        channels: int = 8,
        grid: int = 16,
        heads: int = 4,
        depth: int = 1,
        ffn_ratio: float = 1.0,
        norm_first: bool = True,
        dropout: float = 0.0,
        resize: str = 'area',
        attention: str = 'batch',
    ) -> None:
        super().__init__()
        for name, value in dict(channels=channels, grid=grid, heads=heads, depth=depth).items():
            if value < 1:
                raise ValueError(f'`{name}` must be at least 1, but got {value}.')
        for name, value in dict(resize=resize, attention=attention).items():
            if value not in _CHOICES[name]:
                raise ValueError(
                    f'`{name}` must be one of {", ".join(_CHOICES[name])}, but got {value!r}.'
                )
        width = channels * grid**2
        hidden = round(ffn_ratio * width)
        if width % heads:
            raise ValueError(
                f'`heads={heads}` does not divide the width of the transformer, channels · grid² = {width}.'
            )
        if hidden < 1:
            raise ValueError(
                f'`ffn_ratio={ffn_ratio}` leaves the feed-forward part no width; raise it.'
            )
        self.grid = grid
        self.resize = resize
        self.attention = attention
        self.settled: dict[str, Any] = dict(
            channels=channels,
            grid=grid,
            heads=heads,
            depth=depth,
            ffn_ratio=ffn_ratio,
            norm_first=norm_first,
            resize=resize,
            attention=attention,
        )
        self.register_buffer('options', pack_options(self.settled))
        self.encoder = _convolutions(3, channels, channels)
        self.encoder.append(nn.LeakyReLU(0.1))
        # sequence first on purpose: a layer that expects the batch first would let every picture attend to itself
        # alone in silence, and takes another numerical path where no gradient is asked for
        self.transformer = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(width, heads, hidden, dropout, norm_first=norm_first)
                for _ in range(depth)
            )
        )
        self.fusion = nn.Conv2d(2 * channels, channels, 1)
        self.decoder = _convolutions(channels, channels, 3)
        with torch.no_grad():  # the mean of both halves, within what the decoder was trained for
            halves = torch.eye(channels).repeat(1, 2) / 2
            self.fusion.weight.copy_(halves[..., None, None])
            self.fusion.bias.zero_()

    def encode(self, images: Tensor) -> Tensor:
        """F, (B, C, H, W), of (B, 3, H, W) RGB."""
        return self.encoder(images)

    def relate(self, images: Tensor) -> Tensor:
        """T: what each picture is among those of its batch, (B, channels · grid²) of (B, 3, H, W) RGB.

        The numbers of a picture are in (channel, row, column) order.
        """
        return self._correlate(self.encode(images))

    def reconstruct(self, images: Tensor) -> Tensor:
        """I' of the encoder and the decoder alone (the first stage), (B, 3, H, W), not clamped."""
        return self.decoder(self.encode(images))

    def forward(self, images: Tensor) -> Tensor:
        """I' with what the batch told (the second stage), (B, 3, H, W) RGB in and out, not clamped."""
        features = self.encode(images)
        related = self._correlate(features).view(len(images), -1, self.grid, self.grid)
        related = F.interpolate(related, features.shape[-2:], mode='bilinear', align_corners=False)
        return self.decoder(self.fusion(torch.cat([features, related], 1)))

    def drop(self, *parts: str) -> BatchCorrelationModule:
        """Take children out whose methods will not be called; the state dict ends without them.

        Args:
            parts: Of ``encoder``, ``transformer``, ``fusion``, ``decoder``.

        Returns:
            The module.
        """
        for part in parts:
            setattr(self, part, None)
        return self

    def _correlate(self, features: Tensor) -> Tensor:
        """(B, C, H, W) features in, (B, C · grid²) out."""
        size = (self.grid, self.grid)
        if self.resize == 'area':
            cells = F.adaptive_avg_pool2d(features, size)
        else:
            cells = F.interpolate(features, size, mode='bilinear', align_corners=False)
        tokens = cells.flatten(1)
        dim = 1 if self.attention == 'batch' else 0  # (sequence, batch, width)
        return self.transformer(tokens.unsqueeze(dim)).squeeze(dim)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        name = f'{prefix}options'
        if name in state_dict:
            theirs = unpack_options(state_dict[name], 'The checkpoint')
            self.check_options(theirs, 'The checkpoint')
            state_dict[name] = self.options.clone()  # written by a version that knew other options
        super()._load_from_state_dict(state_dict, prefix, *args)

    def check_options(self, theirs: dict[str, Any], source: str) -> None:
        """Compare the options of a checkpoint with those of this module.

        Args:
            theirs: What its buffer ``options`` says.
            source: Begins the error.

        Raises:
            ValueError: They differ.
        """
        for name, own in self.settled.items():
            if name in theirs and not same_option(own, theirs[name]):
                raise ValueError(
                    f'{source} was made with `{name}={theirs[name]!r}`, but this `{type(self).__name__}` has {own!r}; '
                    'build it with the options of the checkpoint.'
                )


def _convolutions(channels: int, width: int, out: int) -> nn.Sequential:
    """Three 3×3 convolutions with leaky ReLUs between them."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(width, out, 3, padding=1),
    )
