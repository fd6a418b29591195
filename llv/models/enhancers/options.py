"""Options that belong to the weights of an enhancer, carried inside its checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def pack_options(options: Mapping[str, Any]) -> Tensor:
    """Options as the bytes of their JSON, uint8 (n,): only tensors survive every way a checkpoint takes."""
    return torch.tensor(list(json.dumps(options).encode()), dtype=torch.uint8)


def unpack_options(tensor: Tensor, source: str) -> dict[str, Any]:
    """What :func:`pack_options` packed, lists as tuples.

    Args:
        tensor: The packed options.
        source: Names their origin in errors.

    Raises:
        ValueError: They are damaged.
    """
    options = None
    if tensor.dtype == torch.uint8 and tensor.ndim == 1:
        try:
            options = json.loads(bytes(tensor.tolist()))
        except ValueError:  # told below
            pass
    if not isinstance(options, dict):
        raise ValueError(f'{source} holds no readable `options`; fetch or save it again.')
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }


def same_option(a: object, b: object) -> bool:
    """Equality that forgives the float32 in which a checkpoint keeps its numbers, and list for tuple."""
    if isinstance(a, float) and isinstance(b, (float, int)):
        return math.isclose(a, b, rel_tol=1e-5)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return list(a) == list(b)
    return a == b
