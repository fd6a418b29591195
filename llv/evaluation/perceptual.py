"""LPIPS, FSIM in two forms, BRISQUE and NIQE through the packages that hold them, imported when they are asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from llv.utils.checkpoint import load_checkpoint
from llv.utils.downloads import download
from llv.utils.environment import extra

_ALEXNET = 'https://download.pytorch.org/models/alexnet-owt-7be5be79.pth'
_BRISQUE = (
    'https://github.com/photosynthesis-team/piq/releases/download/v0.4.0/brisque_svm_weights.pt'
)
# below, AlexNet's last pooling, piq's filters and the half of piq's picture have nothing left
_SMALLEST = dict(lpips=31, fsim=4, brisque=8)
_EXTRA = extra('metrics')
# with its dependencies it would put older versions of NumPy, OpenCV and scikit-image in place of those that are there
_ISM = 'run `pip install --no-deps image-similarity-measures phasepack` after `pip install scikit-image`'


def lpips(x: Tensor, y: Tensor) -> Tensor:
    """Learned perceptual distance (Zhang et al., CVPR 2018), AlexNet, version 0.1, from ``torchmetrics``.

    Its AlexNet is torchvision's ImageNet file, fetched into torch's cache at the first use.

    Args:
        x: (N, 3, H, W) RGB in [0, 1].
        y: The same shape.

    Returns:
        (N,), 0 for equal pictures; smaller is better.

    Raises:
        ImportError: ``torchmetrics`` is missing.
        FileNotFoundError: AlexNet's file is neither there nor can it be fetched.
        ValueError: The pictures are smaller than 31 pixels.
    """
    library = _need('torchmetrics.image', 'lpips')
    _check_size('lpips', x)
    file = _cached(_ALEXNET)
    if not file.is_file():
        try:
            download(_ALEXNET, file, '7be5be79')
        except OSError as error:
            raise FileNotFoundError(
                f'`lpips` needs the AlexNet file of torchvision, which could not be fetched ({error}); get {_ALEXNET} '
                f'and put it at `{file}`.'
            ) from error
    with torch.autocast(x.device.type, enabled=False):
        network = _lpips_network(library, str(file)).to(x.device)
        return network(x.float(), y.float(), normalize=True).flatten()


def fsim(x: Tensor, y: Tensor, chromatic: bool = False) -> Tensor:
    """Feature similarity (Zhang et al., TIP 2011) from ``piq``.

    It pools both pictures to about 256 pixels first, by its own definition and under every protocol.

    Args:
        x: (N, 3, H, W) RGB in [0, 1].
        y: The same shape.
        chromatic: FSIMc, which also compares the colours, instead of FSIM on the luminance.

    Returns:
        (N,), 1 for equal pictures; larger is better.

    Raises:
        ImportError: ``piq`` is missing.
        ValueError: The pictures are smaller than 4 pixels.
    """
    library = _need('piq', 'fsim')
    _check_size('fsim', x)
    return library.fsim(x.float(), y.float(), reduction='none', chromatic=chromatic)


def fsim_ism(x: Tensor, y: Tensor) -> Tensor:
    """What TriCo's tables seem to hold as FSIM, from ``image-similarity-measures``: to compare with them only.

    Another figure than :func:`fsim`, often far smaller: each colour by itself, in full size, on 256 levels, from the
    sum of the phase congruency over six orientations, and with Scharr's gradients in 16 bits without a sign, where
    negative ones are 0 and squares wrap around at 65536.

    Args:
        x: (N, 3, H, W) RGB in [0, 1], brought to the nearest of 256 levels.
        y: The same shape.

    Returns:
        (N,) float64, 1 for equal pictures; larger is better.

    Raises:
        ImportError: The package is missing.
        ValueError: A colour is black throughout in a picture, or has no features in both.
    """
    library = _need('image_similarity_measures.quality_metrics', 'fsim_ism', _ISM)
    x, y = ((255 * z).round().to(torch.uint8).permute(0, 2, 3, 1) for z in (x, y))
    with np.errstate(divide='ignore', invalid='ignore'):
        values = [
            float(library.fsim(b, a)) for a, b in zip(x.cpu().numpy(), y.cpu().numpy(), strict=True)
        ]
    if not np.isfinite(values).all():
        raise ValueError(
            '`fsim_ism` is not defined where a colour is black throughout or nothing stands out of it; leave it out.'
        )
    return torch.tensor(values, dtype=torch.float64, device=x.device)


def brisque(x: Tensor) -> Tensor:
    """Naturalness of the picture alone (Mittal et al., TIP 2012) from ``piq``; smaller is better.

    Its support vectors are a file that is not fetched by itself, because its publisher gives no digest to verify it by.

    Args:
        x: (N, 3, H, W) RGB in [0, 1].

    Returns:
        (N,).

    Raises:
        ImportError: ``piq`` is missing.
        FileNotFoundError: The file of the support vectors is not there.
        ValueError: A picture has one colour throughout, or is smaller than 8 pixels.
    """
    library = _need('piq', 'brisque')
    _check_size('brisque', x)
    file = _cached(_BRISQUE)
    if not file.is_file():
        raise FileNotFoundError(
            f'`brisque` needs the support vectors of `piq`; get {_BRISQUE} and put it at `{file}`.'
        )
    _check_file(str(file))
    if bool((x.flatten(1).amax(1) == x.flatten(1).amin(1)).any()):
        raise ValueError('`brisque` is not defined for a picture of one colour; leave it out.')
    # one by one: piq takes a whole batch for flat only if every picture is
    return torch.cat([library.brisque(one[None].float(), reduction='none').flatten() for one in x])


def niqe(x: Tensor) -> Tensor:
    """Naturalness of the picture alone (Mittal et al., SPL 2013) from ``pyiqa``; smaller is better.

    ``pyiqa`` may be used for noncommercial purposes only and is no dependency of llv; this uses it where the user has
    installed it.

    Args:
        x: (N, 3, H, W) RGB in [0, 1].

    Returns:
        (N,).

    Raises:
        ImportError: ``pyiqa`` is missing.
    """
    try:
        library = import_module('pyiqa')
    except ImportError as error:
        raise ImportError(
            '`niqe` needs `pyiqa`, which llv does not depend on because its licence is noncommercial: read the '
            'licence, then run `pip install pyiqa`.'
        ) from error
    return _niqe_network(library, str(x.device))(x.float()).flatten()


@cache
def _lpips_network(library: ModuleType, file: str) -> nn.Module:
    _check_file(file)
    return library.LearnedPerceptualImagePatchSimilarity(net_type='alex').net.eval()


@cache
def _niqe_network(library: ModuleType, device: str) -> nn.Module:
    return library.create_metric('niqe', device=torch.device(device))


@cache
def _check_file(file: str) -> None:
    """Open a file weights-only before a package opens it without restrictions."""
    load_checkpoint(file)


def _cached(url: str) -> Path:
    """Where torch keeps what it fetches from there."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / url.rpartition('/')[2]


def _need(module: str, metric: str, remedy: str = _EXTRA) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f'`{metric}` needs `{module.split(".")[0]}`: {remedy}.') from error


def _check_size(metric: str, images: Tensor) -> None:
    smallest = _SMALLEST[metric]
    if min(images.shape[-2:]) < smallest:
        raise ValueError(
            f'`{metric}` needs pictures of at least {smallest} × {smallest} pixels, but got {images.shape[-1]} × '
            f'{images.shape[-2]}; measure larger pictures or leave it out.'
        )
