"""SCI: self-calibrated illumination.

Ma et al., "Toward Fast, Flexible, and Robust Low-Light Image Enhancement", CVPR 2022. Where paper and
released code differ, this follows the code, which the published weights need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from llv.registry import MODELS

from ..losses.sci import SCISceneLoss
from .base import Enhancement
from .map_based import MapBasedEnhancer

_SMALLEST_ILLUMINATION = 1e-4  # so the largest gain is 10⁴
_CALIBRATOR_REPEATS = 3


class IlluminationEstimator(nn.Module):
    """t = clip(F(v) + v, 1e-4, 1) with three convolutions of three channels; 258 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _conv(3, 3)
        self.block = nn.Sequential(_conv(3, 3), _norm(3), nn.ReLU(inplace=True))
        self.tail = _conv(3, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 3, H, W) in, the illumination of the same shape out."""
        features = self.head(inputs).relu_()
        features = self.tail(features + self.block(features)).sigmoid_()
        return (features + inputs).clamp_(_SMALLEST_ILLUMINATION, 1)


class Calibrator(nn.Module):
    """s = r - K(r), what the next stage adds to the picture; 5 619 parameters, for training only.

    One block of two convolutions is passed three times.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.head = nn.Sequential(_conv(3, width), _norm(width), nn.ReLU(inplace=True))
        self.block = nn.Sequential(
            _conv(width, width),
            _norm(width),
            nn.ReLU(inplace=True),
            _conv(width, width),
            _norm(width),
            nn.ReLU(inplace=True),
        )
        self.tail = _conv(width, 3)

    def forward(self, lit: Tensor) -> Tensor:
        """(N, 3, H, W) lit picture in [0, 1] in, s of the same shape out."""
        features = self.head(lit)
        for _ in range(_CALIBRATOR_REPEATS):
            features = features + self.block(features)
        return lit - self.tail(features).sigmoid()


@MODELS.register_module()
class SCI(MapBasedEnhancer):
    """u = clip(y / t, 0, 1) with one small network for the illumination t.

    Trained in several stages that share the network: stage k estimates t_k from v_k, where v_1 = y
    and v_{k+1} = y + s_k with s_k = r_k - K(r_k), r_k = clip(y / t_k, 0, 1) and K the calibrator.
    The loss is the sum over the stages of :class:`SCISceneLoss` of t_k and v_k. What lights a
    picture is the first stage alone, so inference knows no calibrator.

    The official files (``easy.pt``, ``medium.pt``, ``difficult.pt``) load as they are. Those without
    a calibrator start it from its initialisation where there is one to fill; those with one leave it
    out where there is none. Anything else missing or extra is an error.

    ``Enhancement.maps``: ``illumination`` t, (N, 3, H, W) in [1e-4, 1].

    Args:
        training_stages: 1 trains the first stage alone, as the released code does for fine-tuning,
            and is what belongs in front of a detector: every parameter takes part in the task loss.
            The published training by itself has 3.
        scene_loss: Config of the loss of one stage; :class:`SCISceneLoss` if None.
        weights: See :class:`BaseEnhancer`.
        estimate_scale: See :class:`MapBasedEnhancer`.

    Raises:
        ValueError: `training_stages` is not positive, or the weights belong to another network.
    """

    minimum_size = 2  # batch statistics need more than one pixel

    def __init__(
        self,
        training_stages: int = 1,
        scene_loss: dict | None = None,
        weights: str | None = None,
        estimate_scale: float = 1.0,
    ) -> None:
        super().__init__(weights, estimate_scale)
        if training_stages < 1:
            raise ValueError(f'`training_stages` must be at least 1, but got {training_stages}.')
        self.training_stages = training_stages
        self.estimator = IlluminationEstimator()
        self.calibrator = Calibrator() if training_stages > 1 else None
        self.scene_loss = SCISceneLoss() if scene_loss is None else MODELS.build(scene_loss)
        # for convolutions of so few channels this layout is faster on a CPU
        self.to(memory_format=torch.channels_last)
        self.load_weights()

    @property
    def receptive_field(self) -> int | None:
        """7 pixels; None on a reduced picture, whose grid depends on the size of the whole."""
        return 7 if self.estimate_scale == 1 else None

    def estimate_maps(self, images: Tensor) -> dict[str, Tensor]:
        """(N, 3, h, w) in, the illumination of the same shape out."""
        return dict(illumination=self.estimator(images))

    def apply_maps(self, images: Tensor, maps: dict[str, Tensor]) -> Enhancement:
        """Divide by the illumination."""
        return Enhancement((images / maps['illumination']).clamp_(0, 1), maps)

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss_fidelity`` and ``loss_smooth``, each summed over the stages.

        Args:
            enhancement: What :meth:`forward` returned for `images`: the first stage.
            images: (N, 3, H, W) RGB in [0, 1].
            references: Not used.
        """
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            lit = enhancement.image
            losses = self.scene_loss(enhancement.maps['illumination'], images)
            for _ in range(1, self.training_stages):
                inputs = images + self.calibrator(lit)
                maps = self.maps_at(inputs, self.estimate_scale)
                lit = self.apply_maps(images, maps).image
                for name, value in self.scene_loss(maps['illumination'], inputs).items():
                    losses[name] = losses[name] + value
        return losses

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Official or llv names in, llv's names out, with the calibrator where this SCI has one."""
        state_dict = rename_official(state_dict)
        if not any(name.startswith('estimator.') for name in state_dict):
            return state_dict
        theirs = {name for name in state_dict if name.startswith('calibrator.')}
        if self.calibrator is None and theirs:
            print_log(f'SCI leaves the calibrator of {self.weights} out.', logger='current')
            return {name: value for name, value in state_dict.items() if name not in theirs}
        if self.calibrator is not None and not theirs:
            print_log(
                f'{self.weights} holds no calibrator, so SCI starts with a new one.',
                logger='current',
            )
            own = {f'calibrator.{k}': v for k, v in self.calibrator.state_dict().items()}
            return {**state_dict, **own}
        return state_dict


_OFFICIAL_NAMES = (
    (r'^enhance\.in_conv\.0\.', 'estimator.head.'),
    (r'^enhance\.conv\.', 'estimator.block.'),
    (r'^enhance\.out_conv\.0\.', 'estimator.tail.'),
    (r'^calibrate\.in_conv\.', 'calibrator.head.'),
    (r'^calibrate\.convs\.', 'calibrator.block.'),
    (r'^calibrate\.out_conv\.0\.', 'calibrator.tail.'),
)
# the official modules list one block once for each time it is passed
_REPEATED = re.compile(rf'enhance\.blocks\.0\.|calibrate\.blocks\.[0-{_CALIBRATOR_REPEATS - 1}]\.')


def rename_official(state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Give the tensors of an official weight file of SCI the names they have in :class:`SCI`.

    Anything else is returned as it is.
    """
    if 'enhance.in_conv.0.weight' not in state_dict:
        return state_dict
    renamed = {}
    for name, value in state_dict.items():
        if _REPEATED.match(name):
            continue
        for pattern, replacement in _OFFICIAL_NAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.normal_(conv.weight, 0, 0.02)
    nn.init.zeros_(conv.bias)
    return conv


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight, 1, 0.02)
    return norm
