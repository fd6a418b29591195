"""Enhancers as ONNX files, for programs without PyTorch."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from llv.models.enhancers.base import BaseEnhancer
from llv.utils.environment import extra
from llv.utils.pictures import read_picture, to_tensor
from llv.version import __version__

from .export_decompositions import decompositions

NEEDED = ('onnx', 'onnxscript', 'onnxruntime')
INPUT, OUTPUT = 'images', 'enhanced'
# Traced with these; any other size of at least `minimum_size` works as well. They stay odd when they are halved (and
# the remainder dropped) up to three times, so that what a net does about remainders is in the trace.
_BATCH, _SIDES = 2, (47, 63)
# odd and even, wide and tall, one and more pictures
_CHECKED = ((1, 33, 50), (1, 64, 48), (3, 40, 37))


class _Enhance(nn.Module):
    """What is exported: the published arithmetic, without the checks and the padding around it."""

    def __init__(self, enhancer: BaseEnhancer) -> None:
        super().__init__()
        self.enhancer = enhancer

    def forward(self, images: Tensor) -> Tensor:
        # the input itself may not be an output
        enhanced = self.enhancer.enhance(images).image
        return images.clone() if enhanced is images else enhanced


def export_onnx(enhancer: BaseEnhancer, path: str | os.PathLike) -> dict[str, str]:
    """Write an enhancer as an ONNX file.

    The file has one input ``images``, float32 (N, 3, H, W) RGB in [0, 1], and one output ``enhanced`` of the same kind,
    clamped; N, H and W are free, H and W at least ``minimum_size``, because the padding of smaller pictures is not in
    the file. Weights are inside it.

    Args:
        enhancer: Enhancer on the CPU in eval mode.
        path: File to write; its folder is made.

    Returns:
        What the file says about itself (its metadata).

    Raises:
        ModuleNotFoundError: The packages of the extra ``export`` are not installed.
        ValueError: This enhancer cannot be exported; the message says why.
    """
    require_packages()
    if enhancer.training:
        raise ValueError(
            f'`{type(enhancer).__name__}` is in training mode; call `eval()` before exporting it.'
        )
    if getattr(enhancer, 'tile', None) is not None:
        raise ValueError(
            f'`{type(enhancer).__name__}` cannot be exported to ONNX with `tile={enhancer.tile}`, because a graph '
            'takes pictures whole; leave `tile` out.'
        )
    dynamic = torch.export.Dim.DYNAMIC
    example = torch.rand(_BATCH, 3, *_SIDES, generator=torch.Generator().manual_seed(0))
    try:
        with _quiet(), torch.no_grad():
            traced = torch.export.export(
                _Enhance(enhancer).eval(),
                (example,),
                dynamic_shapes={INPUT: {0: dynamic, 2: dynamic, 3: dynamic}},
            ).run_decompositions(decompositions())
            program = torch.onnx.export(
                traced, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False
            )
    except Exception as error:  # tracing runs the code of any enhancer, which meets anything
        raise ValueError(
            f'`{type(enhancer).__name__}` cannot be exported to ONNX: {_reason(error)}.'
        ) from error
    about = _metadata(enhancer)
    model = program.model
    for node in model.graph:
        for value in node.outputs:
            value.shape = None  # runtimes take equal names of computed sizes for equal sizes
    _free(model.graph.inputs[0], 1)
    _free(model.graph.outputs[0], enhancer.scale)
    model.metadata_props.update(about)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    program.save(str(path), external_data=False)
    return about


@torch.no_grad()
def compare_onnx(
    enhancer: BaseEnhancer, path: str | os.PathLike, pictures: Sequence[Tensor]
) -> list[float]:
    """Run an ONNX file and its enhancer on the same pictures.

    Args:
        enhancer: The enhancer the file was made from, on the CPU.
        path: The file.
        pictures: Batches, each (N, 3, H, W) RGB in [0, 1].

    Returns:
        Largest absolute difference for each batch; infinite where the file returns another shape or no number.

    Raises:
        ModuleNotFoundError: ONNX Runtime is not installed.
    """
    require_packages()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    differences = []
    for images in pictures:
        (got,) = session.run(None, {INPUT: images.float().numpy()})
        wanted = enhancer(images).image
        difference = float('inf')
        if got.shape == tuple(wanted.shape):
            # NaN is larger than any tolerance too
            largest = (torch.from_numpy(got) - wanted).abs().max().item()
            difference = largest if largest == largest else float('inf')
        differences.append(difference)
    return differences


def check_batches(given: Sequence[str], minimum_size: int) -> dict[str, Tensor]:
    """What to compare file and enhancer on, by a name to show.

    Args:
        given: Picture files, and sizes of random pictures such as ``64x48`` (height x width).
        minimum_size: Of the enhancer; the smallest square is always among the batches.

    Returns:
        (N, 3, H, W) RGB in [0, 1] each.

    Raises:
        ValueError: A picture or size is smaller than that, or too large for the memory; a
            :class:`llv.utils.pictures.PictureError` where a file cannot be read.
    """
    batches: dict[str, Tensor] = {}
    sizes = [(1, minimum_size, minimum_size), *_CHECKED]
    for entry in given:
        size = re.fullmatch(r'(\d+)x(\d+)', entry)
        if size is None:
            batches[Path(entry).name] = picture = to_tensor(read_picture(entry))[None]
            height, width = picture.shape[-2:]
        else:
            height, width = int(size[1]), int(size[2])
            sizes.append((1, height, width))
        if min(height, width) < minimum_size:
            raise ValueError(
                f'`{entry}` is smaller than the {minimum_size} pixels that the file takes at least; check with a '
                'larger one.'
            )
    generator = torch.Generator().manual_seed(0)
    for count, height, width in sizes:
        # dark, as the pictures are that it is made for
        try:
            picture = 0.3 * torch.rand(count, 3, height, width, generator=generator)
        except RuntimeError as error:
            raise ValueError(
                f'A picture of {height}x{width} does not fit into memory; check with a smaller one.'
            ) from error
        batches[f'{count} of {height}x{width}'] = picture
    return batches


def require_packages() -> None:
    """Raise a ModuleNotFoundError that names what is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f'Exporting needs {" and ".join(f"`{name}`" for name in missing)}, the extra `export`: '
            f'{extra("export")}.',
            name=missing[0],
        )


def _metadata(enhancer: BaseEnhancer) -> dict[str, str]:
    """What a user of the file needs to know; ONNX keeps strings only."""
    about = dict(
        producer=f'llv {__version__}',
        enhancer=type(enhancer).__name__,
        weights='random' if enhancer.weights is None else Path(enhancer.weights).name,
        input='float32 (N, 3, H, W) RGB in [0, 1]',
        minimum_size=str(enhancer.minimum_size),
        scale=str(enhancer.scale),
    )
    options = getattr(enhancer, 'options', None)
    if isinstance(options, Tensor):  # as JSON already
        about['options'] = json.dumps(json.loads(bytes(options.tolist())))
    if not any(True for _ in enhancer.parameters()):
        about['weights'] = 'none needed'
    return about


def _free(value, scale: int) -> None:
    """Name the free dimensions for readers; the tracer calls them `s34` and the like."""
    import onnx_ir

    side = '' if scale == 1 else f'{scale}*'
    value.shape = onnx_ir.Shape(['N', 3, f'{side}H', f'{side}W'])


def _reason(error: BaseException) -> str:
    """Why the exporter gave up, in a clause, read from the chain of its errors."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    kinds = {type(entry).__name__ for entry in chain}
    if 'ConstraintViolationError' in kinds:
        return (
            'its code takes the number or size of the pictures as a constant (such as `len(images)`) or leaves '
            "PyTorch's tensors, so the graph would hold for one size only"
        )
    if kinds & {'GuardOnDataDependentSymNode', 'UserError', 'DataDependentOutputException'}:
        return (
            'what it computes depends on the values of the picture, and an ONNX graph is the same '
            'for every picture'
        )
    for entry in chain:
        missing = re.search(r'No (?:ONNX function|decompositions).*?(aten\.\w+)', str(entry), re.S)
        if missing:
            return f'ONNX has no operator for `{missing[1]}`'
    if any('.numpy()' in str(entry) for entry in chain):
        return "its code leaves PyTorch's tensors"
    lines = str(chain[-1]).strip().splitlines()
    return f'the exporter says "{lines[0] if lines else type(chain[-1]).__name__}"'


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's reports, which are thousands of lines for a net it refuses, from the user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(disabled)
