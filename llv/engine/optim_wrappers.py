"""Mixed precision where there is no accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from llv.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Trains under bfloat16 autocast on the CPU.

    mmengine's ``AmpOptimWrapper`` demands an accelerator. bfloat16 has the exponent range of float32, so
    no loss scaling is needed; enhancers stay in float32 by themselves.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context of a forward pass."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield
