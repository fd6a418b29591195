"""What is looked at, one function a promise, for :func:`llv.testing.check_enhancer`."""

from __future__ import annotations

import copy
import inspect
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llv.apis.export import NEEDED, check_batches, compare_onnx, export_onnx
from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.enhancers.base import BaseEnhancer, Enhancement
from llv.models.enhancers.build import build_enhancer
from llv.utils.environment import extra

_SIZES = ((1, 1), (1, 7), (6, 2), (17, 21))
_KINDS = ('black', 'white', 'grey', 'noisy', 'dark', 'red')
_LOSS_SIDE = 64  # losses look at neighbourhoods


class Broken(Exception):
    """A promise that is not kept; the message says which and how to mend it."""


class NotApplicable(Exception):
    """There is nothing to check; the message says why."""


@dataclass(frozen=True)
class Case:
    """What is checked.

    Attributes:
        cfg: Config of the enhancer.
        enhancer: Built from it, in eval mode.
        tolerance: Largest difference between two ways to the same result.
    """

    cfg: dict[str, Any]
    enhancer: BaseEnhancer
    tolerance: float

    @property
    def name(self) -> str:
        """Of the class."""
        return type(self.enhancer).__name__

    def same(self, found: Tensor, expected: Tensor) -> bool:
        """Whether two results agree; a NaN agrees with nothing."""
        return found.shape == expected.shape and self.difference(found, expected) <= self.tolerance

    @staticmethod
    def difference(found: Tensor, expected: Tensor) -> float:
        """Largest difference of two results of one shape."""
        return (found - expected).abs().max().item()


def pictures(height: int, width: int) -> Tensor:
    """Black, white, grey, noisy, a dark one of few levels, and red: (6, 3, H, W) RGB in [0, 1]."""
    noise = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    batch = torch.zeros(6, 3, height, width)
    batch[1], batch[2], batch[3] = 1, 0.5, noise[0]
    batch[4] = (noise[1] * 10).floor() / 255
    batch[5, 0] = 1
    return batch


@torch.no_grad()
def result(case: Case) -> None:
    """The result is an Enhancement: RGB of the promised size, float32, finite, in [0, 1]."""
    batch = pictures(32, 45)
    found = case.enhancer(batch)
    if not isinstance(found, Enhancement):
        raise Broken(
            f'`enhance` returned {type(found).__name__}; end it with `return Enhancement(image, maps)`.'
        )
    _check_image(case, found.image, batch)


@torch.no_grad()
def sizes(case: Case) -> None:
    """Pictures of any size are lit, from one pixel on."""
    least = case.enhancer.minimum_size
    for height, width in (*_SIZES, (least, least), (least + 1, least + 3)):
        batch = pictures(height, width)
        try:
            found = case.enhancer(batch)
        except Exception as error:
            raise Broken(
                f'Pictures of {height}×{width} pixels raise {type(error).__name__} ({first_line(error)}); set '
                '`minimum_size`, below which llv pads and crops, or pad in `enhance`.'
            ) from error
        _check_image(case, found.image, batch)


@torch.no_grad()
def maps(case: Case) -> None:
    """Maps are finite tensors by name, one entry a picture."""
    batch = pictures(32, 45)
    for name, value in case.enhancer(batch).maps.items():
        if not isinstance(value, Tensor):
            raise Broken(f'The map `{name}` is {type(value).__name__}; maps are tensors.')
        if value.ndim and value.shape[0] != len(batch):
            raise Broken(
                f'The map `{name}` has the shape {tuple(value.shape)} for {len(batch)} pictures; its first dimension '
                'is that of the batch.'
            )
        if not value.isfinite().all():
            raise Broken(
                f'The map `{name}` holds NaN or infinity; losses and pictures are made of it.'
            )


@torch.no_grad()
def batches(case: Case) -> None:
    """A picture in a batch is lit as it is alone."""
    batch = pictures(19, 24)
    together = case.enhancer(batch).image
    for k, kind in enumerate(_KINDS):
        alone = case.enhancer(batch[k : k + 1]).image[0]
        if not case.same(together[k], alone):
            raise Broken(
                f'The {kind} picture in a batch differs by {case.difference(together[k], alone):.1e} from the same one '
                'alone; take means, norms and decisions of each picture (`dim=(-2, -1)`), never over the batch.'
            )


@torch.no_grad()
def repeats(case: Case) -> None:
    """In eval mode a picture is lit the same again, and is itself left alone."""
    batch = pictures(17, 21)
    kept = batch.clone()
    first = case.enhancer(batch).image.clone()
    if not torch.equal(batch, kept):
        raise Broken('The pictures were changed in place; work on copies.')
    state = torch.get_rng_state()
    if not torch.equal(case.enhancer(batch).image, first):
        raise Broken(
            'The same pictures are lit otherwise the second time; draw by chance and keep running values only where '
            '`self.training`.'
        )
    if not torch.equal(torch.get_rng_state(), state):
        raise Broken('Random numbers are drawn in eval mode; draw them only where `self.training`.')


@torch.no_grad()
def precision(case: Case) -> None:
    """Half and double precision, also of the model around, are lit in float32."""
    batch = pictures(18, 17)
    advice = (
        'override `enhance`, not `forward`, and make no tensors of a fixed type from the pictures'
    )
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        given = batch.to(dtype)
        expected = case.enhancer(given.float()).image
        with torch.autocast('cpu', dtype=torch.bfloat16):
            found = case.enhancer(given).image
        if found.dtype != torch.float32 or not case.same(found, expected):
            raise Broken(f'{dtype} pictures are not lit as in float32; {advice}.')
    cast = copy.deepcopy(case.enhancer).half()
    found = cast(batch).image
    if found.dtype != torch.float32 or not case.same(found, case.enhancer(batch).image):
        raise Broken(
            'After `model.half()` the result is another one; keep tensors as parameters or buffers.'
        )


@torch.no_grad()
def values(case: Case) -> None:
    """Values outside [0, 1] count as 0 or 1, and NaN is refused."""
    batch = pictures(18, 17) * 3 - 1
    if not case.same(case.enhancer(batch).image, case.enhancer(batch.clamp(0, 1)).image):
        raise Broken('Values outside [0, 1] change the result; override `enhance`, not `forward`.')
    batch[3, 1, 2, 3] = float('nan')
    try:
        case.enhancer(batch)
    except ValueError:
        return
    raise Broken('NaN is not refused; override `enhance`, not `forward`.')


def gradients(case: Case) -> None:
    """Gradients of the picture are finite and reach every parameter that is to learn."""
    for training in (False, True):
        learner = copy.deepcopy(case.enhancer).train(training)
        batch = pictures(24, 26).requires_grad_()
        image = learner(batch).image
        if not image.requires_grad:
            raise NotApplicable('Nothing of it can learn: the result has no gradient.')
        image.square().mean().backward()
        named = [(f'`{n}`', p.grad) for n, p in learner.named_parameters() if p.requires_grad]
        for name, grad in [*named, ('the pictures', batch.grad)]:
            if grad is not None and not grad.isfinite().all():
                raise Broken(
                    f'The gradient of {name} holds NaN or infinity on black, white or red pictures; keep divisors, '
                    'roots, logarithms and powers away from 0.'
                )
        unused = [name for name, grad in named if grad is None]
        if unused:
            raise Broken(
                f'{unused[0]} has no part in the picture ({len(unused)} such parameters); use it, freeze it by '
                '`requires_grad_(False)`, or several processes wait for its gradient.'
            )


def loss(case: Case) -> None:
    """The scene loss is a dict of finite scalars named `loss…`, with finite gradients."""
    if type(case.enhancer).loss is BaseEnhancer.loss:
        raise NotApplicable('It has no scene loss, so it learns from the task alone.')
    learner = copy.deepcopy(case.enhancer).train()
    batch = pictures(_LOSS_SIDE, _LOSS_SIDE)[3:5]
    enhancement = learner(batch)
    side = _LOSS_SIDE * learner.scale
    references = torch.full((2, 3, side, side), 0.5)
    try:
        found = learner.loss(enhancement, batch)
    except (TypeError, ValueError) as error:
        if 'has no scene loss' in str(error):
            raise NotApplicable(first_line(error)) from error
        found = learner.loss(enhancement, batch, references)  # a supervised one
    if not isinstance(found, dict) or not found:
        raise Broken('`loss` must return a dict with a scalar in it.')
    for name, value in found.items():
        if not str(name).startswith('loss'):
            raise Broken(
                f'`loss` returned `{name}`; only names that start with `loss` are summed up.'
            )
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise Broken(f'`{name}` is no scalar; end it with `.mean()`.')
        if not value.isfinite():
            raise Broken(f'`{name}` is {value.item()}; keep divisors and logarithms away from 0.')
    total = sum(found.values())
    if total.requires_grad:
        total.backward()
    for name, parameter in learner.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise Broken(f'The gradient of `{name}` by the loss holds NaN or infinity.')


@torch.no_grad()
def checkpoints(case: Case) -> None:
    """A state dict and a weight file bring back the same enhancer."""
    for place, module in case.enhancer.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                where = f'{place}.{name}'.lstrip('.')
                raise Broken(
                    f'The tensor `{where}` is in no checkpoint and stays behind on `.to(device)`; write '
                    f'`self.register_buffer({name!r}, …)`.'
                )
    batch = pictures(17, 21)
    expected = case.enhancer(batch).image
    twin = build_enhancer(case.cfg).eval()
    twin.load_state_dict(case.enhancer.state_dict())
    if not case.same(twin(batch).image, expected):
        raise Broken(
            'Another one with the same state dict lights otherwise; what it learns must be parameters or buffers.'
        )
    if not case.enhancer.state_dict():
        return
    if 'weights' not in inspect.signature(type(case.enhancer)).parameters:
        inner = [m for m in case.enhancer.modules() if isinstance(m, BaseEnhancer)][1:]
        if inner or not any(True for _ in case.enhancer.parameters()):
            return  # those inside take weights of their own
        raise Broken(
            f'`{case.name}` has parameters but takes no `weights`; add `weights: str | None = None`, begin with '
            '`super().__init__(weights)` and end with `self.load_weights()`.'
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'own.pth')
        torch.save(dict(state_dict=case.enhancer.state_dict()), file)
        reader = build_enhancer({**case.cfg, 'weights': str(file)}).eval()
    if not case.same(reader(batch).image, expected):
        raise Broken(
            'Built with `weights=` of its own checkpoint it lights otherwise; hand `weights` to '
            '`super().__init__(weights)` and end the constructor with `self.load_weights()`.'
        )


@torch.no_grad()
def copies(case: Case) -> None:
    """Deep copies and pickles light alike and share nothing."""
    batch = pictures(17, 21)
    expected = case.enhancer(batch).image.clone()
    for way, copied in (
        ('copy.deepcopy', copy.deepcopy),
        ('pickle', lambda module: pickle.loads(pickle.dumps(module))),
    ):
        try:
            twin = copied(case.enhancer)
        except Exception as error:
            raise Broken(
                f'`{way}` raises {type(error).__name__} ({first_line(error)}); keep lambdas, open files and tensors '
                'inside a graph out of the module.'
            ) from error
        if not case.same(twin(batch).image, expected):
            raise Broken(f'What `{way}` made lights otherwise.')
        for tensor in twin.state_dict().values():
            tensor.zero_()
        if not torch.equal(case.enhancer(batch).image, expected):
            raise Broken(f'What `{way}` made shares tensors with the original.')


@torch.no_grad()
def receptive_field(case: Case) -> None:
    """Nothing outside of `receptive_field` changes a pixel, so that large pictures may be lit in tiles."""
    field = case.enhancer.receptive_field
    if field is None:
        raise NotApplicable('`receptive_field` is None: it looks at the whole picture.')
    if not isinstance(field, int) or field < 1 or field % 2 == 0:
        raise Broken(f'`receptive_field` is {field!r}; it is an odd number of pixels, or None.')
    side, reach = max(field + 6, case.enhancer.minimum_size), field // 2
    centre = side // 2
    batch = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(2))
    changed = 1 - batch
    near = slice(centre - reach, centre + reach + 1)
    changed[..., near, near] = batch[..., near, near]
    middle = slice(centre * case.enhancer.scale, (centre + 1) * case.enhancer.scale)
    before, after = (case.enhancer(x).image[..., middle, middle] for x in (batch, changed))
    if not case.same(after, before):
        raise Broken(
            f'A pixel changes with what is farther away than `receptive_field = {field}` says; add the kernels up '
            '(1 + Σ dilation · (kernel - 1)), or set None where means of the picture come in.'
        )


@torch.no_grad()
def preprocessor(case: Case) -> None:
    """In front of a model, pictures of several sizes come out as they do one by one."""
    base = dict(type='mmengine.ImgDataPreprocessor', pad_size_divisor=8)
    wrapped = EnhancedDataPreprocessor(copy.deepcopy(case.enhancer), base, channel_order='bgr')
    generator = torch.Generator().manual_seed(3)
    inputs = [
        torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
        for size in ((9, 11), (6, 7), (9, 11))
    ]
    found = wrapped.eval()(dict(inputs=list(inputs)))['inputs']
    for picture, lit in zip(inputs, found, strict=True):
        expected = case.enhancer((picture.float() / 255).flip(0)[None]).image[0].flip(0)
        height, width = expected.shape[-2:]
        if not case.same(lit[:, :height, :width] / 255, expected):
            raise Broken('In front of a model the pictures are lit otherwise than alone.')


@torch.no_grad()
def onnx(case: Case) -> None:
    """An ONNX file computes the same for any size."""
    if any(find_spec(name) is None for name in NEEDED):
        raise NotApplicable(f'The extra `export` is not there: {extra("export")}.')
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'enhancer.onnx')
        try:
            export_onnx(case.enhancer, file)
        except ValueError as error:
            raise Broken(str(error)) from error
        batches = check_batches((), case.enhancer.minimum_size)
        found = compare_onnx(case.enhancer, file, list(batches.values()))
    largest = max(zip(found, batches, strict=True))
    if not largest[0] <= max(1e-4, case.tolerance):
        raise Broken(f'The ONNX file differs by {largest[0]:.1e} on {largest[1]} pixels.')


CHECKS: dict[str, Callable[[Case], None]] = {
    check.__name__: check
    for check in (
        result, sizes, maps, batches, repeats, precision, values, gradients, loss, checkpoints, copies,
        receptive_field, preprocessor, onnx,
    )
}  # fmt: skip


def _check_image(case: Case, image: Tensor, batch: Tensor) -> None:
    if not isinstance(image, Tensor):
        raise Broken(f'`Enhancement.image` is {type(image).__name__}; it is a tensor.')
    scale = case.enhancer.scale
    count, channels, height, width = batch.shape
    if tuple(image.shape) != (count, channels, scale * height, scale * width):
        raise Broken(
            f'Pictures of {height}×{width} pixels give `image` of shape {tuple(image.shape)}; at `scale = {scale}` it '
            f'is {(count, channels, scale * height, scale * width)}.'
        )
    if image.dtype != torch.float32:
        raise Broken(f'`image` is {image.dtype}; it is torch.float32.')
    for kind, lit in zip(_KINDS, image, strict=True):
        if not lit.isfinite().all():
            raise Broken(
                f'A {kind} picture gives NaN or infinity; keep divisors, roots and logarithms away from 0.'
            )
        if lit.min() < 0 or lit.max() > 1:
            raise Broken(
                f'A {kind} picture gives values from {lit.min():.3g} to {lit.max():.3g}; clamp `image` to [0, 1], and '
                "keep what was not clamped as `maps['raw']` for losses."
            )


def first_line(error: BaseException) -> str:
    """What an error says first."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else 'without a word'
