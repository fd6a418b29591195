"""Reading checkpoints without executing what they hold."""

from __future__ import annotations

import argparse
import pickle
import re
import struct
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as loaders

from .compat import runner_globals

# what torch's reader was seen to raise over truncated and altered files
_DAMAGE = (
    RuntimeError,
    EOFError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    AssertionError,
    MemoryError,
    OSError,
    struct.error,
)


class _LightningCallback:
    """Stands for a class of Lightning while a checkpoint is read: its states are filed under it, nothing else."""


_LIGHTNING_CALLBACK = 'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint'


def _safe_globals() -> list[Any]:
    """What checkpoints hold beside tensors: mmengine's, log histories made of small numpy arrays; Lightning's, the
    arguments of the run and a class as the key of a dict."""
    return [
        *runner_globals(),
        argparse.Namespace,
        (_LightningCallback, _LIGHTNING_CALLBACK),
    ]


def load_checkpoint(path: str | PathLike, map_location: Any = 'cpu') -> Any:
    """Read a checkpoint with torch's weights-only unpickler.

    Files of mmengine (with their log histories), of Lightning, of torch and of llv open; a file that would run code
    does not.

    Args:
        path: A local file.
        map_location: As in :func:`torch.load`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, no checkpoint, or holds objects that only unrestricted unpickling could build.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'`{path}` is not there; check the path of the weight file.')
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        if any(
            sign in str(error)
            for sign in ('GLOBAL', 'Trying to call reduce', 'Trying to instantiate')
        ):
            raise ValueError(
                f'`{path}` is refused: beside tensors it holds Python objects that could run code when opened; '
                'save its `state_dict` alone with the program that made it.'
            ) from error
        raise ValueError(
            f'`{path}` is damaged or no PyTorch checkpoint; fetch or save it again.'
        ) from error
    except _DAMAGE as error:
        raise ValueError(
            f'`{path}` is damaged or no PyTorch checkpoint; fetch or save it again.'
        ) from error


def load_state_dict(path: str | PathLike) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name: the file's ``state_dict`` if it has one, else the file itself.

    Raises:
        FileNotFoundError, ValueError: As :func:`load_checkpoint`; also when the file holds no named tensors.
    """
    checkpoint = load_checkpoint(path)
    if isinstance(checkpoint, dict) and isinstance(checkpoint.get('state_dict'), dict):
        checkpoint = checkpoint['state_dict']
    if not isinstance(checkpoint, dict) or not checkpoint:
        raise ValueError(f'`{path}` holds no named tensors; give the file of a saved `state_dict`.')
    tensors = {name: value for name, value in checkpoint.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ValueError(f'`{path}` holds no named tensors; give the file of a saved `state_dict`.')
    return tensors


def use_weights_only_loading() -> None:
    """Make mmengine read every checkpoint through :func:`load_checkpoint` for the rest of the process.

    mmengine's own loaders fall back to unrestricted unpickling when the restricted one refuses. llv's tools call this
    before anything is loaded, so `--resume`, `load_from`, `init_cfg` and the test checkpoint are all covered. The
    schemes that stand for an address (``torchvision://``, ``open-mmlab://``, ``mmcls://``) call mmengine's functions by
    name, so the functions are replaced as well as the schemes.
    """
    CheckpointLoader.register_scheme('', _load_from_local, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://'), _load_from_http, force=True)
    loaders.load_from_local = _load_from_local
    loaders.load_from_http = _load_from_http
    loaders._safe_torch_load = (
        _load_from_local  # only the maintained continuation of mmengine has it
    )


def cached_download(url: str) -> Path:
    """Where a downloaded checkpoint lies, whether it is there or not."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name


def _load_from_local(filename: str | PathLike, map_location: Any = None) -> Any:
    return load_checkpoint(filename, map_location)


def _load_from_http(
    filename: str, map_location: Any = None, model_dir: str | None = None, progress: bool = False
) -> Any:
    path = (
        cached_download(filename)
        if model_dir is None
        else Path(model_dir, cached_download(filename).name)
    )
    if not path.is_file() and get_local_rank() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        # the names of published files end in the first digits of their sha256
        digits = re.search(r'-([a-f0-9]{6,})\.', path.name)
        try:
            torch.hub.download_url_to_file(
                filename, str(path), digits and digits.group(1), progress
            )
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f'`{filename}` could not be downloaded ({error}); put the file at `{path}` or train with '
                '`--no-pretrained`.'
            ) from error
    barrier()
    return load_checkpoint(path, map_location)
