"""Architecture weights, and edges that hold all candidates at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .operations import ConvOperation, SkipConnect
from .spaces import SearchSpace

_START = 1e-3  # deviation of fresh weights, RUAS's


class Architecture(nn.Module):
    """The weights α of a searchable module, one row an edge; cells of one architecture share them.

    α is the parameter ``arch_alpha``; by this part of its name optimizers tell it from the weights of operations. What
    its rows and columns mean goes with it in checkpoints, as the buffer ``meaning``.

    Args:
        space: What each edge chooses among.
        edges: Names of the edges, in the order of the rows.

    Raises:
        ValueError: From ``load_state_dict``, when the checkpoint holds α of other edges or another space.
    """

    def __init__(self, space: SearchSpace, edges: Sequence[str]) -> None:
        super().__init__()
        self.space = space
        self.edges = tuple(edges)
        self.arch_alpha = nn.Parameter(_START * torch.randn(len(self.edges), len(space.candidates)))
        self.register_buffer('meaning', _packed(space, self.edges))

    def weights(self) -> Tensor:
        """softmax(α) over the candidates, (edges, candidates)."""
        return self.arch_alpha.softmax(dim=1)

    def entropies(self) -> dict[str, float]:
        """Entropy of the weights of each edge, in nats: log(candidates) at the start, 0 when it has decided."""
        weights = self.weights().detach().double()
        values = -(weights * weights.clamp_min(1e-12).log()).sum(dim=1)
        return dict(zip(self.edges, values.tolist(), strict=True))

    def derive(self) -> dict[str, str]:
        """The candidate of the largest weight of each edge; of equal ones the first."""
        best = self.arch_alpha.detach().argmax(dim=1).tolist()
        names = (self.space.candidates[index] for index in best)
        return dict(zip(self.edges, names, strict=True))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        # α of another supernet may have the same shape
        theirs = state_dict.get(f'{prefix}meaning')
        if theirs is not None and theirs.tolist() != self.meaning.tolist():
            place = prefix.removesuffix('.') or 'architecture'
            raise ValueError(
                f'The checkpoint holds α of another supernet at `{place}`: {_told(theirs)} there, '
                f'{_told(self.meaning)} here; build the model that was searched.'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)


def _packed(space: SearchSpace, edges: Sequence[str]) -> Tensor:
    """As the bytes of JSON, uint8 (n,): only tensors survive every way that a checkpoint takes."""
    meaning = dict(space=space.name, version=space.version, edges=list(edges))
    return torch.tensor(list(json.dumps(meaning).encode()), dtype=torch.uint8)


def _told(packed: Tensor) -> str:
    try:
        meaning = json.loads(bytes(packed.tolist()))
        edges = ', '.join(meaning['edges'])
        return f'`{meaning["space"]}` {meaning["version"]} on {edges}'
    except (ValueError, TypeError, KeyError):
        return 'something unreadable'


class MixedEdge(nn.Module):
    """The sum of all candidates of an edge, weighted by softmax(α).

    Candidates that are convolutions with bias and zero padding and look at the same pixels are one convolution, whose
    kernel is the weighted sum of theirs: seven candidates cost about as much as the largest. The result is that of the
    sum one by one up to rounding. Candidates of any other kind are computed one by one.

    Args:
        architecture: Holds α; it is not made a child, since several cells share it.
        edge: Row of α.
        candidates: Operations in the order of the space, which give results of one shape: of
            :func:`llv.search.operations.build_operation`, convolutions of
            :func:`llv.search.operations.build_layer`, or any other modules.
    """

    def __init__(
        self, architecture: Architecture, edge: int, candidates: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        if len(candidates) != len(architecture.space.candidates):
            raise ValueError(
                f'An edge of the space `{architecture.space.name}` has {len(architecture.space.candidates)} '
                f'candidates, but got {len(candidates)}.'
            )
        self.candidates = nn.ModuleList(candidates)
        self._source = (architecture, edge)  # a tuple, because modules register modules
        convs = [_conv_of(candidate) for candidate in self.candidates]
        self._groups = _groups(convs)
        self._others = tuple(
            index
            for index, (candidate, conv) in enumerate(zip(self.candidates, convs, strict=True))
            if conv is None and not isinstance(candidate, SkipConnect)
        )

    @property
    def architecture(self) -> Architecture:
        """What holds α."""
        return self._source[0]

    @property
    def row(self) -> int:
        """Row of α."""
        return self._source[1]

    @property
    def radius(self) -> int:
        """How many pixels to each side the result depends on.

        Raises:
            TypeError: A candidate that is no convolution has no attribute ``radius``.
        """
        reaches = [0]
        for candidate in self.candidates:
            conv = _conv_of(candidate)
            own = getattr(candidate, 'radius', None) if conv is None else _radius(conv)
            if own is None:
                raise TypeError(
                    f'`{type(candidate).__name__}` has no `radius`, which this network asks its candidates for; give '
                    'it one, how many pixels to each side its result depends on.'
                )
            reaches.append(own)
        return max(reaches)

    def costs(self, result: Tensor, x: Tensor | None = None) -> list[int]:
        """Multiply-accumulates of each candidate for a result of this shape; 0 for the identity.

        Args:
            result: What the edge gave.
            x: What it was given, for candidates other than convolutions, which are run on it.
        """
        pixels = result.numel() // result.shape[1]
        convs = [_conv_of(candidate) for candidate in self.candidates]
        costs = [0 if conv is None else pixels * conv.weight.numel() for conv in convs]
        for index in self._others:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                self.candidates[index](x)
            costs[index] = counter.get_total_flops() // 2
        return costs

    def chosen(self) -> nn.Module:
        """The candidate of the largest weight; of equal ones the first."""
        return self.candidates[int(self.architecture.arch_alpha[self.row].argmax())]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉)."""
        weights = self.architecture.weights()[self.row]
        identity = sum(
            weight
            for weight, candidate in zip(weights, self.candidates, strict=True)
            if isinstance(candidate, SkipConnect)
            or (isinstance(candidate, ConvOperation) and candidate.residual)
        )
        result = None if isinstance(identity, int) else identity * x
        for indices, radius, dilation in self._groups:
            value = self._convolve(x, weights, indices, radius, dilation)
            result = value if result is None else result + value
        for index in self._others:
            value = weights[index] * self.candidates[index](x)
            result = value if result is None else result + value
        return result

    def _convolve(
        self, x: Tensor, weights: Tensor, indices: Sequence[int], radius: int, dilation: int
    ) -> Tensor:
        """One convolution in the place of some, all of whose taps lie on one grid."""
        convs = [_conv_of(self.candidates[index]) for index in indices]
        kernel: Tensor | None = None
        bias = sum(weights[index] * conv.bias for index, conv in zip(indices, convs, strict=True))
        for index, conv in zip(indices, convs, strict=True):
            part = _embed(weights[index] * conv.weight, conv.dilation[0] // dilation, radius)
            kernel = part if kernel is None else kernel + part
        return F.conv2d(x, kernel, bias, convs[0].stride, radius * dilation, dilation)


def _conv_of(candidate: nn.Module) -> nn.Conv2d | None:
    """The convolution that a candidate is, where it can be merged with others."""
    conv = candidate.conv if isinstance(candidate, ConvOperation) else candidate
    if type(conv) is not nn.Conv2d or conv.groups > 1 or conv.bias is None:
        return None
    (height, width), (down, right) = conv.kernel_size, conv.dilation
    if height != width or height % 2 == 0 or down != right or conv.padding_mode != 'zeros':
        return None
    return conv if conv.padding == (_radius(conv), _radius(conv)) else None


def _radius(conv: nn.Conv2d) -> int:
    return conv.dilation[0] * (conv.kernel_size[0] - 1) // 2


def _groups(convs: Sequence[nn.Conv2d | None]) -> list[tuple[tuple[int, ...], int, int]]:
    """Which candidates are computed as one: (their indices, radius of the kernel in taps, dilation).

    Those of one dilation share a grid. One of a larger dilation joins a finer grid that its taps lie on where the
    kernel there is as large anyway.
    """
    grids: dict[int, list[int]] = {}
    for index, conv in enumerate(convs):
        if conv is not None:
            grids.setdefault(conv.dilation[0], []).append(index)

    def reach(dilation: int) -> int:
        return max((_radius(convs[index]) for index in grids[dilation]), default=0)

    for dilation in sorted(grids):
        for host in sorted(grids):
            if host < dilation and dilation % host == 0 and grids[host]:
                limit = reach(host)
                if host == min(
                    grids
                ):  # five by five dense taps cost less than twice three by three
                    limit = max(limit, 2 * host)
                moved = [i for i in grids[dilation] if _radius(convs[i]) <= limit]
                grids[host] += moved
                grids[dilation] = [i for i in grids[dilation] if i not in moved]
    return [
        (tuple(members), reach(dilation) // dilation, dilation)
        for dilation, members in grids.items()
        if members
    ]


def _embed(kernel: Tensor, spread: int, radius: int) -> Tensor:
    """A kernel in a larger one of (2 · radius + 1)², its taps `spread` apart."""
    size = spread * (kernel.shape[-1] - 1) + 1
    if spread > 1:
        wide = kernel.new_zeros(*kernel.shape[:2], size, size)
        wide[..., ::spread, ::spread] = kernel
        kernel = wide
    border = radius - size // 2
    return F.pad(kernel, (border,) * 4) if border else kernel
