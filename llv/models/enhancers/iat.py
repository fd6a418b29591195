"""IAT: a local branch scales and shifts every pixel, a global branch mixes the colours and sets one gamma.

Cui et al., "You Only Need 90K Parameters to Adapt Light: A Light Weight Transformer for Image Enhancement and Exposure
Correction", BMVC 2022. Module names are those of the official weight files, which therefore load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from llv.registry import MODELS

from .base import Enhancement
from .map_based import MapBasedEnhancer

INPUT_RANGES = ('unit', 'signed')
CRITERIA = dict(l1=F.l1_loss, smooth_l1=F.smooth_l1_loss)

_LOCAL_WIDTH = 16
_GLOBAL_WIDTH = 64
_QUERIES = 10  # one for gamma, nine for the colour matrix
_HEADS = 4
_DROP_RATES = (0.01, 0.05, 0.10)
_INITIAL_SCALE = 1e-4
_SMALLEST = 1e-8  # keeps the gradient of the power finite
# of the exponent: below 0 the power is at least 1 anyway, but 1e-8 ** -4.9 and its slope are infinite
_LEAST_GAMMA = -3.0


class ChannelMix(nn.Module):
    """n(x)_c = alpha_c · Σ_k color[c, k] · x_k + beta_c, a normalisation without statistics; starts as identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.color = nn.Parameter(torch.eye(channels))

    def before(self, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
        """Weight and bias of the 1×1 convolution ``conv(n(x))``: both are linear in the channels, so one pass does."""
        weight = conv.weight.flatten(1)
        mixed = weight @ (self.alpha.unsqueeze(1) * self.color)
        return mixed[..., None, None], conv.bias + weight @ self.beta


class Mlp(nn.Module):
    """The two layers of a perceptron, on the channels of maps or of tokens."""

    def __init__(self, channels: int, hidden: int, on_maps: bool) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1) if on_maps else nn.Linear(channels, hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1) if on_maps else nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LocalBlock(nn.Module):
    """A transformer block in which a 5×5 depthwise convolution stands for attention.

    With D a depthwise 3×3 convolution, x ← x + D(x); x ← x + g1 · C2(A(C1(n1(x)))); x ← x + g2 · mlp(n2(x)).

    Args:
        channels: Width of input and output.
        drop_rate: Probability in training with which a picture skips each of the last two steps.
    """

    def __init__(self, channels: int, drop_rate: float) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = ChannelMix(channels)
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.attn = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.conv2 = nn.Conv2d(channels, channels, 1)
        self.gamma_1 = nn.Parameter(torch.full((channels,), _INITIAL_SCALE))
        self.norm2 = ChannelMix(channels)
        self.mlp = Mlp(channels, 4 * channels, on_maps=True)
        self.gamma_2 = nn.Parameter(torch.full((channels,), _INITIAL_SCALE))
        self.drop_path = StochasticDepth(drop_rate, 'row')

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        x = x + self.pos_embed(x)
        y = self.attn(F.conv2d(x, *self.norm1.before(self.conv1)))
        x = x + self.drop_path(F.conv2d(y, *_scaled(self.conv2, self.gamma_1)))
        y = _gelu(F.conv2d(x, *self.norm2.before(self.mlp.fc1)))
        return x + self.drop_path(F.conv2d(y, *_scaled(self.mlp.fc2, self.gamma_2)))


class LocalBranch(nn.Module):
    """What to multiply each pixel by, and what to add to it, at full resolution: 24 454 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _LOCAL_WIDTH, 3, padding=1)
        self.mul_blocks = nn.Sequential(*(LocalBlock(_LOCAL_WIDTH, p) for p in _DROP_RATES))
        self.add_blocks = nn.Sequential(*(LocalBlock(_LOCAL_WIDTH, p) for p in _DROP_RATES))
        self.mul_end = nn.Sequential(nn.Conv2d(_LOCAL_WIDTH, 3, 3, padding=1), nn.ReLU())
        self.add_end = nn.Sequential(nn.Conv2d(_LOCAL_WIDTH, 3, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in; mul (not negative) and add (in (-1, 1)), each (N, 3, H, W), out."""
        features = F.leaky_relu(self.conv1(x), 0.2)
        mul = self.mul_end(self.mul_blocks(features) + features)
        return mul, self.add_end(self.add_blocks(features) + features)


class QueryAttention(nn.Module):
    """Learnt queries look at the tokens of a picture; the queries themselves are not projected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.q = nn.Parameter(torch.ones(1, _QUERIES, channels))
        self.k = nn.Linear(channels, channels, bias=False)
        self.v = nn.Linear(channels, channels, bias=False)
        nn.init.zeros_(self.v.weight)
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, C) tokens in, (N, 10, C) answers out."""
        queries = self.q.expand(tokens.shape[0], -1, -1)
        q, k, v = (
            x.unflatten(-1, (_HEADS, -1)).transpose(1, 2)
            for x in (queries, self.k(tokens), self.v(tokens))
        )
        answers = F.scaled_dot_product_attention(q, k, v)
        return self.proj(answers.transpose(1, 2).flatten(2))


class QueryGenerator(nn.Module):
    """The answers of ten queries to a map of features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = nn.LayerNorm(channels)
        self.attn = QueryAttention(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, 4 * channels, on_maps=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) in, (N, 10, C) out. As published, no residual leads around the attention."""
        x = x + self.pos_embed(x)
        x = self.attn(self.norm1(x.flatten(2).transpose(1, 2)))
        return x + self.mlp(self.norm2(x))


class _ConvStem(nn.Module):
    """To a quarter of the size in two steps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels // 2),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class GlobalBranch(nn.Module):
    """One gamma and one colour matrix for a picture: 66 700 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma_base = nn.Parameter(torch.ones(1))
        self.color_base = nn.Parameter(torch.eye(3))
        self.conv_large = _ConvStem(_GLOBAL_WIDTH)
        self.generator = QueryGenerator(_GLOBAL_WIDTH)
        self.gamma_linear = nn.Linear(_GLOBAL_WIDTH, 1)
        self.color_linear = nn.Linear(_GLOBAL_WIDTH, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in; gamma (N,), of any sign, and the colour matrix (N, 3, 3) out."""
        answers = self.generator(self.conv_large(x))
        gamma = self.gamma_linear(answers[:, 0]).squeeze(1) + self.gamma_base
        color = self.color_linear(answers[:, 1:]).view(-1, 3, 3) + self.color_base
        return gamma, color


@MODELS.register_module()
class IAT(MapBasedEnhancer):
    """The enhancement network of IAT, 91 154 parameters.

    y = x · mul + add; y ← color · y in each pixel; y ← clamp(y, 1e-8, 1) ** gamma.

    ``Enhancement.maps``: ``mul`` (not negative) and ``add`` (in (-1, 1)), each (N, 3, H, W); ``gamma`` (N,) and
    ``color`` (N, 3, 3); ``raw``, the result before the clamp, which differs from ``image`` where a gamma is negative;
    gammas below -3 count as -3 in it.

    Args:
        input_range: What the network is fed, and what ``mul`` multiplies: ``unit`` [0, 1], or ``signed`` [-1, 1] for
            the official file of LOL-v2 (``IAT_enhance/best_Epoch_lol.pth``), whose result is otherwise too dark. The
            pictures given to the enhancer are in [0, 1] always. An official file does not say which it needs. None:
            what the weights say, else ``unit``.
        exposure: Keep the base of gamma at what it is, as the published training of exposure correction does.
        norm_eval: Keep the running statistics of batch normalisation in training too, for batches of few pictures.
        estimate_scale: See :class:`MapBasedEnhancer`; ``gamma`` and ``color`` are those of the reduced picture.
        criterion: Loss against the references: ``l1`` or ``smooth_l1``. The published training for LOL-v2 adds 0.04 ·
            a distance of VGG-16 features, which is not offered here.
        weights: See :class:`BaseEnhancer`.

    Raises:
        ValueError: An option is unknown or contradicts the weights.
    """

    # two halvings leave more than one pixel, which batch normalisation needs in training
    minimum_size = 5

    def __init__(
        self,
        input_range: str | None = None,
        exposure: bool = False,
        norm_eval: bool = False,
        estimate_scale: float = 1.0,
        criterion: str = 'l1',
        weights: str | None = None,
    ) -> None:
        super().__init__(weights, estimate_scale)
        options = self.settle_options(dict(input_range='unit'), input_range=input_range)
        self.input_range = options['input_range']
        for name, value, known in (
            ('input_range', self.input_range, INPUT_RANGES),  # weight files are input as well
            ('criterion', criterion, tuple(CRITERIA)),
        ):
            if value not in known:
                raise ValueError(f'`{name}` must be one of {", ".join(known)}, but got {value!r}.')
        self.norm_eval = norm_eval
        self.criterion = CRITERIA[criterion]
        self.local_net = LocalBranch()
        self.global_net = GlobalBranch()
        self.global_net.gamma_base.requires_grad_(not exposure)
        # a quarter faster on a CPU: most layers are depthwise or of 16 channels
        self.to(memory_format=torch.channels_last)
        self.load_weights()

    def train(self, mode: bool = True) -> IAT:
        """As every module, but with ``norm_eval`` batch normalisation stays in eval mode."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def estimate_maps(self, images: Tensor) -> dict[str, Tensor]:
        """``mul``, ``add``, ``gamma`` and ``color`` for (N, 3, h, w) RGB in [0, 1]."""
        x = self._in_range(images)
        mul, add = self.local_net(x)
        gamma, color = self.global_net(x)
        return dict(mul=mul, add=add, gamma=gamma, color=color)

    def apply_maps(self, images: Tensor, maps: dict[str, Tensor]) -> Enhancement:
        """Scale and shift, mix the colours, apply the power."""
        y = torch.addcmul(maps['add'], self._in_range(images), maps['mul'])
        y = (maps['color'] @ y.flatten(2)).view_as(y).clamp(_SMALLEST, 1)
        raw = y ** maps['gamma'].clamp_min(_LEAST_GAMMA).view(-1, 1, 1, 1)
        return Enhancement(raw.clamp(0, 1), maps | dict(raw=raw))

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss_pixel``, the distance of the unclamped result from the references.

        Args:
            enhancement: What :meth:`forward` returned for `images`.
            images: (N, 3, H, W) RGB in [0, 1].
            references: Well-lit pictures of the same scenes, the same shape.

        Raises:
            ValueError: There are no references, or of another shape.
        """
        if references is None:
            raise ValueError(
                '`IAT` learns from pairs, but got no `references`; give the data set a reference folder and its '
                'pipeline `llv.LoadReference`.'
            )
        raw = enhancement.maps['raw']
        if references.shape != raw.shape:
            raise ValueError(
                f'`references` {tuple(references.shape)} must have the shape of the pictures {tuple(raw.shape)}.'
            )
        return dict(loss_pixel=self.criterion(raw, references.float()))

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The official names are those of llv; axes of length one are brought to llv's places."""
        own = self.state_dict()
        return {
            name: _reshaped(value, own[name]) if name in own else value
            for name, value in state_dict.items()
        }

    def _in_range(self, images: Tensor) -> Tensor:
        return images if self.input_range == 'unit' else 2 * images - 1


def _gelu(x: Tensor) -> Tensor:
    """GELU, in the place of `x` where no gradient needs that: these are the largest tensors of the network."""
    return F.gelu(x) if x.requires_grad else torch.ops.aten.gelu_(x)


def _scaled(conv: nn.Conv2d, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of ``scale · conv(x)`` with one factor a channel."""
    return conv.weight * scale.view(-1, 1, 1, 1), conv.bias * scale


def _reshaped(tensor: Tensor, like: Tensor) -> Tensor:
    """`tensor` in the shape of `like` where they differ in axes of length one only, else as it is."""
    same = [n for n in tensor.shape if n > 1] == [n for n in like.shape if n > 1]
    return tensor.reshape(like.shape) if same else tensor
