"""A target for a picture without a reference: the best of several exposures at each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llv.registry import MODELS

from .exposure_quality import ExposureQuality

_DARK_DRAWS = ('stratified', 'nested')
_COMBINATIONS = ('select', 'weighted')
_SMALLEST_WEIGHT = 1e-12


def exposure_gammas(
    uniform: Tensor, log_range: Sequence[float] = (-2.0, 3.0), dark_draws: str = 'stratified'
) -> Tensor:
    """γ = exp(X) of the exposures 1 − (1 − y)^γ, brighter (γ > 1) ones first.

    With R exposures to each side, the k-th brighter X is uniform in the k-th of R equal slices of (0, high). So are the
    darker ones in (low, 0) if `stratified`; if `nested`, the k-th is uniform in low · (1 − k/R, 0), as in the released
    code of PSENet, where this looks like an oversight. For R = 1 there is no difference.

    Args:
        uniform: (N, 2, R) draws from [0, 1) for N pictures: brighter, darker.
        log_range: low ≤ 0 and high ≥ 0, natural logarithms.
        dark_draws: ``stratified`` or ``nested``.

    Returns:
        (N, 2·R).
    """
    low, high = log_range
    count = uniform.shape[-1]
    slices = torch.arange(count, device=uniform.device)
    bright = high * (uniform[:, 0] + slices) / count
    if dark_draws == 'stratified':
        dark = low * (uniform[:, 1] + slices) / count
    else:
        dark = uniform[:, 1] * low * (1 - slices / count)
    return torch.cat((bright, dark), dim=1).exp()


@dataclass
class PseudoTargets:
    """What :class:`PseudoTarget` returns.

    Attributes:
        image: (N, 3, H, W) RGB in [0, 1], without gradient.
        index: (N, H, W) int64, the candidate with the best score.
        scores: (N, K, H, W) of the K candidates.
        names: K names: ``input``, ``own`` where there is one, ``brighter`` and ``darker`` (each R times).
    """

    image: Tensor
    index: Tensor
    scores: Tensor
    names: tuple[str, ...]

    def statistics(self) -> dict[str, Tensor]:
        """``share_*``: the part of the pixels that each kind of candidate wins; ``score``: the mean best score."""
        result = {
            f'share_{name}': torch.stack(
                [(self.index == k).float().mean() for k, n in enumerate(self.names) if n == name]
            ).sum()
            for name in dict.fromkeys(self.names)
        }
        result['score'] = self.scores.amax(dim=1).mean()
        return result


@MODELS.register_module()
class PseudoTarget(nn.Module):
    """Make a target from the input, the enhancer's own output and random exposures of the input.

    Each exposure is 1 − (1 − y)^γ with one γ for the whole picture, drawn anew for each picture and visit, see
    :func:`exposure_gammas`. As published (PSENet, WACV 2023), each pixel takes the whole colour of the candidate with
    the best score there, the first on ties; nothing is blended or smoothed. Everything runs in float32: in bfloat16 the
    score is off by 6 % on average.

    Args:
        references: Exposures to each side of the input, R; 1 is published, the paper also tries 3 and 5.
        log_range: Range of ln γ. The paper warns of (−2, 2), which fails on very dark pictures, and of (−3, 3), which
            turns over-exposed areas grey.
        dark_draws: See :func:`exposure_gammas`.
        combine: ``select`` (published), or ``weighted``: the mean of the candidates weighted by their scores, as in
            exposure fusion but in one resolution, so with visible seams.
        quality: Config of the score; :class:`ExposureQuality` if None.

    Raises:
        ValueError: An option is unknown or out of range.
    """

    def __init__(
        self,
        references: int = 1,
        log_range: Sequence[float] = (-2.0, 3.0),
        dark_draws: str = 'stratified',
        combine: str = 'select',
        quality: dict | None = None,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ('dark_draws', dark_draws, _DARK_DRAWS),
            ('combine', combine, _COMBINATIONS),
        ):
            if value not in known:
                raise ValueError(f'`{name}` must be one of {", ".join(known)}, but got {value!r}.')
        if references < 0:
            raise ValueError(f'`references` must be at least 0, but got {references}.')
        if len(log_range) != 2 or not log_range[0] <= 0 <= log_range[1]:
            raise ValueError(
                f'`log_range` must be two numbers around 0, but got {tuple(log_range)}.'
            )
        self.references = references
        self.log_range = tuple(log_range)
        self.dark_draws = dark_draws
        self.combine = combine
        self.quality = ExposureQuality() if quality is None else MODELS.build(quality)

    @torch.no_grad()
    def forward(
        self, images: Tensor, own: Tensor | None = None, uniform: Tensor | None = None
    ) -> PseudoTargets:
        """Make the targets of a batch.

        Args:
            images: (N, 3, H, W) RGB in [0, 1].
            own: What the enhancer makes of them, the same shape and range; None leaves this candidate out.
            uniform: (N, 2, R) in [0, 1), in place of random draws.
        """
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            if uniform is None:
                uniform = torch.rand(len(images), 2, self.references, device=images.device)
            gammas = exposure_gammas(uniform, self.log_range, self.dark_draws)
            exposures = 1 - (1 - images)[:, None] ** gammas[:, :, None, None, None]
            first = [images] if own is None else [images, own.detach().float()]
            candidates = torch.cat((torch.stack(first, dim=1), exposures), dim=1)
            scores = self.quality(candidates.flatten(0, 1)).unflatten(0, candidates.shape[:2])
            index = scores.argmax(dim=1)
            if self.combine == 'select':
                chosen = index[:, None, None].expand(-1, 1, *images.shape[1:])
                target = candidates.gather(1, chosen)[:, 0]
            else:
                # scores may be just below 0 in flat areas
                weights = scores.clamp_min(_SMALLEST_WEIGHT)[:, :, None]
                target = (weights * candidates).sum(dim=1) / weights.sum(dim=1)
        names = ('input', 'own')[: len(first)]
        names += ('brighter',) * self.references + ('darker',) * self.references
        return PseudoTargets(target, index, scores, names)
