"""Semantic priors: frozen networks whose features tell TriCo's modulators what a picture shows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from llv.registry import MODELS
from llv.utils.checkpoint import cached_download, load_state_dict
from llv.utils.downloads import cache_folder

from .mobile_sam import WIDTHS, MobileSAMEncoder, encoder_weights

LEVELS = 4
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_STRIDES = (4, 8, 16, 32)


class SemanticPrior(nn.Module):
    """A frozen encoder: pictures in, four feature maps out, from fine to coarse.

    Its parameters want no gradients and it stays in eval mode. Without its weights it is of no use: where the file is
    gone, the first forward says so, and nothing random takes its place.

    A prior of your own derives from this class, registers itself and is named by ``prior=dict(type='my.Prior')``.

    Args:
        encoder: Takes (N, 3, H, W) RGB normalised with the statistics of ImageNet, returns the maps.
        out_channels: Channels of the four maps.
        options: What belongs to the weights of an enhancer that was trained with this prior, of JSON's types.
        missing: A sentence that says which weights are missing; None where they are there.
        long_side: Resize pictures to this first; None leaves them as they are.
    """

    def __init__(
        self,
        encoder: nn.Module,
        out_channels: tuple[int, ...],
        options: Mapping[str, Any],
        missing: str | None = None,
        long_side: int | None = None,
    ) -> None:
        super().__init__()
        if long_side is not None and (not isinstance(long_side, int) or long_side < 1):
            raise ValueError(
                f'`long_side` must be a positive number of pixels or None, but got {long_side!r}.'
            )
        self.encoder = encoder
        self.out_channels = tuple(out_channels)
        self.long_side = long_side
        self.options = dict(options, long_side=long_side)
        self.missing = missing
        self.register_buffer('mean', torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(_STD).view(3, 1, 1), persistent=False)
        self.requires_grad_(False).train(False)
        if missing is not None:
            print_log(missing, logger='current', level=logging.WARNING)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Look.

        Args:
            images: (N, 3, H, W) RGB in [0, 1].

        Raises:
            FileNotFoundError: The weights are missing.
        """
        if self.missing is not None:
            raise FileNotFoundError(self.missing)
        if self.long_side is not None:
            ratio = self.long_side / max(images.shape[-2:])
            size = [max(round(ratio * side), 1) for side in images.shape[-2:]]
            images = F.interpolate(images, size, mode='bilinear', align_corners=False)
        return self.encoder((images - self.mean) / self.std)

    def train(self, mode: bool = True) -> SemanticPrior:
        """Stays in eval mode: batch normalisation must not learn."""
        return super().train(False)


class MobileSAMPrior(SemanticPrior):
    """The picture encoder of MobileSAM, the published prior: 64, 128, 160 and 320 channels.

    Args:
        weights: ``mobile_sam.pt`` as its authors give it; None looks for it in llv's cache.
        long_side: See :class:`SemanticPrior`; 1024 is what MobileSAM was trained with, at 40 times the price.
        allow_random_init: Do without weights, for tests and for counting.
    """

    def __init__(
        self,
        weights: str | None = None,
        long_side: int | None = None,
        allow_random_init: bool = False,
    ) -> None:
        encoder = MobileSAMEncoder()
        path = Path(weights or cache_folder() / 'weights' / 'mobile_sam.pt').expanduser()
        missing = None
        if path.is_file():
            _fill(encoder, encoder_weights(load_state_dict(path)), path, 'MobileSAM')
        elif not allow_random_init or weights is not None:
            missing = (
                f"`prior='sam'` needs the weights of MobileSAM, but `{path}` is not there; put `mobile_sam.pt` of "
                "github.com/ChaoningZhang/MobileSAM there or name it by `prior=dict(type='sam', weights=…)`, or choose "
                "`prior='torchvision'`, which needs weights of ImageNet, or `prior='none'`, which needs none."
            )
        super().__init__(encoder, WIDTHS, dict(type='sam'), missing, long_side)


class TorchvisionPrior(SemanticPrior):
    """A classification network of torchvision: the last features at strides 4, 8, 16 and 32.

    Pictures with a side below 32 are enlarged to it first.

    Args:
        model: Name of a network with such features, ``'resnet18'`` (64, 128, 256 and 512 channels), ``'vgg16'``,
            ``'mobilenet_v2'``, ``'convnext_tiny'`` …
        weights: A file of its weights as torchvision names them; None looks for its default weights in torch's
            cache, where torchvision puts them.
        long_side, allow_random_init: As in :class:`MobileSAMPrior`.

    Raises:
        ValueError: torchvision has no such network, or it has no such features.
    """

    def __init__(
        self,
        model: str = 'resnet18',
        weights: str | None = None,
        long_side: int | None = None,
        allow_random_init: bool = False,
    ) -> None:
        from torchvision.models import get_model, get_model_weights, list_models

        if model not in list_models():
            raise ValueError(
                f'torchvision has no network `{model}`; choose one of `torchvision.models.list_models()`, such as '
                '`resnet18`.'
            )
        network = get_model(model)
        if weights is None:
            path = cached_download(get_model_weights(model).DEFAULT.url)
        else:
            path = Path(weights).expanduser()
        missing = None
        if path.is_file():
            _fill(network, load_state_dict(path), path, model)
        elif not allow_random_init or weights is not None:
            missing = (
                f"`prior='torchvision'` needs the weights of `{model}`, but `{path}` is not there; put torchvision's "
                "file there or name it by `prior=dict(type='torchvision', weights=…)`, or choose `prior='sam'`, which "
                "needs those of MobileSAM, or `prior='none'`, which needs none."
            )
        encoder = StageFeatures(network, model)
        options = dict(type='torchvision', model=model)
        super().__init__(encoder, encoder.channels, options, missing, long_side)


class StageFeatures(nn.Module):
    """The last features at each of four strides of a network whose parts follow each other.

    Args:
        network: The whole network; its parts from the first pooling over the whole picture on are left out.
        name: For messages.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        body = network.features if hasattr(network, 'features') else network
        self.parts = nn.ModuleList()
        self.channels: tuple[int, ...] = ()
        self.taken: list[int] = []
        last: dict[int, tuple[int, int]] = {}
        with torch.no_grad():
            for part, stride, channels in _walk(body):
                self.parts.append(part)
                last[stride] = len(self.parts) - 1, channels
        if not all(stride in last for stride in _STRIDES):
            raise ValueError(
                f'The features of `{name}` do not come at strides 4, 8, 16 and 32 one after the other; choose another '
                'network of torchvision as the prior, such as `resnet18`.'
            )
        self.taken, self.channels = (
            list(x) for x in zip(*(last[s] for s in _STRIDES), strict=True)
        )
        del self.parts[self.taken[-1] + 1 :]

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in, four maps out."""
        size = [max(side, _STRIDES[-1]) for side in images.shape[-2:]]
        if size != list(images.shape[-2:]):
            images = F.interpolate(images, size, mode='bilinear', align_corners=False)
        features = []
        for k, part in enumerate(self.parts):
            images = part(images)
            if k in self.taken:
                features.append(images)
        return features


def _walk(body: nn.Module) -> Iterator[tuple[nn.Module, int, int]]:
    """Parts of a network with the stride and the channels of what leaves them, as long as that is a feature map."""
    side = 64
    x = torch.zeros(2, 3, side, side)
    body.eval()
    for part in body.children():
        try:
            x = part(x)
        except (RuntimeError, TypeError):
            return
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[2] != x.shape[3] or x.shape[2] < 2:
            return
        yield part, side // x.shape[2], x.shape[1]


def build_prior(prior: str | Mapping[str, Any] | None) -> SemanticPrior | None:
    """A prior from its name or config.

    Args:
        prior: ``'sam'``, ``'torchvision'``, ``'none'``, or a dict with one of them, or with the registered name of a
            :class:`SemanticPrior`, as ``type`` and its arguments beside it.

    Returns:
        The prior; None for ``'none'``.

    Raises:
        ValueError: There is no such prior, or it takes no such argument.
    """
    cfg = dict(prior) if isinstance(prior, Mapping) else dict(type=prior)
    name = cfg.pop('type', None)
    kinds = dict(sam=MobileSAMPrior, torchvision=TorchvisionPrior)
    if name == 'none':
        return None
    if name in kinds:
        return kinds[name](**cfg)
    built = MODELS.build(dict(cfg, type=name)) if isinstance(name, str) and '.' in name else None
    if not isinstance(built, SemanticPrior) or len(built.out_channels) != LEVELS:
        raise ValueError(
            "`prior` must be 'sam', 'torchvision' or 'none', or a config with one of them or a registered "
            f'`SemanticPrior` of four feature maps as its `type`, but got {prior!r}.'
        )
    return built


def _fill(module: nn.Module, state_dict: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Load strictly.

    Raises:
        ValueError: The file belongs to another network.
    """
    own = module.state_dict()
    wrong = [
        key
        for key in own.keys() | state_dict.keys()
        if key not in own or key not in state_dict or own[key].shape != state_dict[key].shape
    ]
    if wrong:
        raise ValueError(
            f'`{path}` holds the weights of another network than {name}: {len(wrong)} tensors do not fit (first: '
            f'`{min(wrong)}`); choose the file that belongs to the prior.'
        )
    module.load_state_dict(dict(state_dict))
