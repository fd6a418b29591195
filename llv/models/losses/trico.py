"""The losses of TriCo, and the hyper-variables that weigh them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from .perceptual import VGG19PerceptualLoss
from .self_regularized_luminance import self_regularized_luminance
from .ssim import ssim
from .total_variation import total_variation

NAMES = ('srl', 'c', 'p', 'ssim', 'tv')
DECOY = 'decoy'
_PRESETS = {
    None: dict(weight_power=1, srl_mode='printed', factor=0.01, dissimilar=True, squared=False),
    'ultrais': dict(weight_power=2, srl_mode='band', factor=1.0, dissimilar=False, squared=True),
}


@MODELS.register_module()
class TriCoLoss(nn.Module):
    """Φ(ς) = Σ_u [L_u / (2 ς_u^p) + ln(1 + ς_u²)] over five named losses L_u.

    With the result y (not clamped), the lit reflectance v and the reference z:

    ========  ==========================================================================
    ``srl``   :func:`llv.models.losses.self_regularized_luminance` of v
    ``c``     mean |y − z|
    ``p``     :class:`llv.models.losses.VGG19PerceptualLoss` of y and z
    ``ssim``  1 − SSIM(y, z), windows inside the picture
    ``tv``    :func:`llv.models.losses.total_variation` of y
    ========  ==========================================================================

    TriCo (Gao and Liu, ACM MM 2024), section 3.3 and Eq. 8-11. The larger ς_u, the less L_u counts, and the logarithm
    keeps it from growing; at rest L_u = 4ς³/(1 + ς²) for p = 1 and 2ς⁴/(1 + ς²) for p = 2.

    The hyper-variables ς are parameters that ask for no gradients: optimizers of other loops leave them as they are,
    and :class:`llv.engine.loops.PhasedGradientResponseLoop` moves them by :meth:`hyper_gradient`.

    Args:
        perceptual: Options of ``VGG19PerceptualLoss``, at least ``weights``. None leaves ``p`` and its ς out.
        hyper_init: ς to start from: ``ones``, or numbers by name, 1 for those that are not named.
        weight_power: p, 1 as printed or 2 as in UltraIS. None: that of the preset.
        srl_mode: ``printed`` or ``band``. None: that of the preset.
        floor, ceiling: Where :meth:`project` ends.
        leave_out: Names of losses that are left out with their ς.
        decoy: For studies: a misleading sixth loss, ``decoy``, which wants the picture out of focus: ``magnitude``
            (1) times mean |y − z * Gaussian of ``sigma`` (3) pixels|. An empty dict takes these numbers.
        preset: ``ultrais`` for the conventions of the released code of UltraIS, the network of the same authors:
            p = 2, ``band``, a perceptual loss without its factor 0.01, squared total variation, and SSIM itself in the
            place of 1 − SSIM; minimised, the latter drives pictures apart, so it is there for comparison alone.

    Attributes:
        hyper: ς by the name of the loss.

    Raises:
        ValueError: A name or a number is out of its range.
    """

    def __init__(
        self,
        perceptual: dict | None = None,
        hyper_init: str | Mapping[str, float] = 'ones',
        weight_power: int | None = None,
        srl_mode: str | None = None,
        floor: float = 0.05,
        ceiling: float = 10.0,
        leave_out: Sequence[str] = (),
        decoy: dict | None = None,
        preset: str | None = None,
    ) -> None:
        super().__init__()
        if preset not in _PRESETS:
            raise ValueError(f"`preset` must be None or 'ultrais', but got {preset!r}.")
        chosen = dict(_PRESETS[preset])
        for name, value in (('weight_power', weight_power), ('srl_mode', srl_mode)):
            if value is not None:
                chosen[name] = value
        if chosen['weight_power'] not in (1, 2):
            raise ValueError(f'`weight_power` must be 1 or 2, but got {weight_power!r}.')
        if chosen['srl_mode'] not in ('printed', 'band'):
            raise ValueError(f"`srl_mode` must be 'printed' or 'band', but got {srl_mode!r}.")
        if not 0 < floor < ceiling < math.inf:
            raise ValueError(
                f'`floor` and `ceiling` must be positive and in this order, but got {floor} and {ceiling}.'
            )
        for name in leave_out:
            if name not in NAMES:
                raise ValueError(
                    f'`leave_out` must hold names of {", ".join(NAMES)}, not {name!r}.'
                )
        left = {*leave_out, *(('p',) if perceptual is None else ())}
        names = [name for name in NAMES if name not in left] + ([] if decoy is None else [DECOY])
        if not names:
            raise ValueError('`leave_out` leaves no loss; keep at least one.')
        self.weight_power: int = chosen['weight_power']
        self.srl_mode: str = chosen['srl_mode']
        self.dissimilar: bool = chosen['dissimilar']
        self.squared: bool = chosen['squared']
        self.floor, self.ceiling = floor, ceiling
        self.decoy = None if decoy is None else _decoy(decoy)
        self.perceptual = None
        if 'p' in names:
            self.perceptual = VGG19PerceptualLoss(**{'factor': chosen['factor'], **perceptual})
        self.hyper = nn.ParameterDict()
        # one by one: from a dict it would take them sorted
        for name, value in _initial(hyper_init, names, floor, ceiling).items():
            self.hyper[name] = nn.Parameter(torch.tensor(value), requires_grad=False)

    def values(self, enhancement, images: Tensor, references: Tensor | None) -> dict[str, Tensor]:
        """L_u by name, unweighted, in the order of ``hyper``.

        Args:
            enhancement: ``maps`` holds y as ``raw``, (N, 3, s·H, s·W), and v as ``reflectance``, (N, 3, H, W).
            images: The dark pictures, (N, 3, H, W); no loss looks at them.
            references: z, of the shape of y, RGB in [0, 1].

        Raises:
            ValueError: There are no references, or they have another size.
        """
        result, reflectance = enhancement.maps['raw'], enhancement.maps['reflectance']
        if references is None:
            raise ValueError(
                '`TriCoLoss` compares with well-lit references, but the pictures have none; load pairs, as '
                '`llv.RELLISURDataset` does.'
            )
        if references.shape != result.shape:
            raise ValueError(
                f'`references` {tuple(references.shape)} must have the shape of the result {tuple(result.shape)}; take '
                "the data set of the enhancer's `scale`."
            )
        with torch.autocast(result.device.type, enabled=False):
            result, reflectance, references = (
                x.to(torch.promote_types(x.dtype, torch.float32))
                for x in (result, reflectance, references)
            )
            return {name: self._value(name, result, reflectance, references) for name in self.hyper}

    def _value(self, name: str, result: Tensor, reflectance: Tensor, references: Tensor) -> Tensor:
        match name:
            case 'srl':
                return self_regularized_luminance(reflectance, self.srl_mode)
            case 'c':
                return (result - references).abs().mean()
            case 'p':
                return self.perceptual(result, references)
            case 'ssim':
                similarity = ssim(result, references, border='inside')
                return 1 - similarity if self.dissimilar else similarity
            case 'tv':
                return total_variation(result, self.squared)
        blurred = _blurred(references, self.decoy['sigma'])
        return self.decoy['magnitude'] * (result - blurred).abs().mean()

    def terms(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The summands of Φ by name.

        Args:
            values: L_u, as :meth:`values` gives them.
        """
        power = self.weight_power
        return {
            name: values[name] / (2 * hyper**power) + hyper.square().log1p()
            for name, hyper in self.hyper.items()
        }

    def objective(self, values: Mapping[str, Tensor]) -> Tensor:
        """Φ, a scalar; differentiable in L_u."""
        return sum(self.terms(values).values())

    def content(self, values: Mapping[str, Tensor]) -> Tensor:
        """L_c alone, which no ς can make small.

        Raises:
            ValueError: It was left out.
        """
        if 'c' not in values:
            raise ValueError('The content loss is left out; take `c` out of `leave_out`.')
        return values['c']

    def slopes(self) -> dict[str, Tensor]:
        """∂²Φ / ∂L_u ∂ς_u = −p / (2 ς_u^(p+1)) by name, float64."""
        power = self.weight_power
        return {
            name: -power / (2 * hyper.detach().double() ** (power + 1))
            for name, hyper in self.hyper.items()
        }

    def hyper_gradient(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """∂Φ/∂ς_u = −p L_u / (2 ς_u^(p+1)) + 2 ς_u / (1 + ς_u²) by name, in closed form, detached, float64."""
        slopes = self.slopes()
        found = {}
        for name, hyper in self.hyper.items():
            place = hyper.detach().double()
            found[name] = slopes[name] * values[name].detach() + 2 * place / (1 + place.square())
        return found

    def project(self) -> None:
        """Put ς back into ``floor`` … ``ceiling``."""
        with torch.no_grad():
            for hyper in self.hyper.values():
                hyper.clamp_(self.floor, self.ceiling)

    def forward(self, enhancement, images: Tensor, references: Tensor | None) -> dict[str, Tensor]:
        """The summands of Φ as ``loss_<name>``, for training with ς at rest; arguments as of :meth:`values`."""
        terms = self.terms(self.values(enhancement, images, references))
        return {f'loss_{name}': term for name, term in terms.items()}


def _initial(
    given: str | Mapping[str, float], names: Sequence[str], floor: float, ceiling: float
) -> dict[str, float]:
    """ς by name at the start."""
    if given == 'ones':
        given = {}
    if not isinstance(given, Mapping):
        raise ValueError(f"`hyper_init` must be 'ones' or numbers by name, but got {given!r}.")
    for name, value in given.items():
        if name not in names:
            raise ValueError(
                f'`hyper_init` names {name!r}, but the losses are {", ".join(names)}; leave it out.'
            )
        if not floor <= value <= ceiling:
            raise ValueError(
                f'`hyper_init` of {name!r} must lie between `floor` {floor} and `ceiling` {ceiling}, but is {value}.'
            )
    return {name: float(given.get(name, 1.0)) for name in names}


def _decoy(given: Mapping[str, float]) -> dict[str, float]:
    options = dict(magnitude=1.0, sigma=3.0)
    for name, value in given.items():
        if name not in options or not value > 0:
            raise ValueError(
                f'`decoy` takes `magnitude` and `sigma`, each above 0, but got {name}={value!r}.'
            )
    return options | dict(given)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """Behind a Gaussian that is cut off at 3 σ, the picture continued by its rim."""
    radius = math.ceil(3 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    window = torch.exp(-offsets.square() / (2 * sigma**2))
    window = (window / window.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, [radius] * 4, mode='replicate')
    across = F.conv2d(padded, window, groups=images.shape[1])
    return F.conv2d(across, window.mT, groups=images.shape[1])
