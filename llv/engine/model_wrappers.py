"""Data-parallel training where there is no accelerator."""

from __future__ import annotations

from typing import Any

from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from torch import nn

from llv.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class DistributedDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper, also for models on the CPU.

    mmengine's runner hands `device_ids` to every wrapper, which torch refuses for CPU models; and synchronised batch
    normalisation has no CPU kernel, so there it becomes the plain one, as mmengine does in a single process.

    Args:
        module: The model, already on its device.
        device_ids: Ignored for a model on the CPU.
        **kwargs: As for :class:`mmengine.model.MMDistributedDataParallel`.
    """

    def __init__(
        self, module: nn.Module, device_ids: list[int] | None = None, **kwargs: Any
    ) -> None:
        if next(module.parameters()).device.type == 'cpu':
            device_ids = None
            module = revert_sync_batchnorm(module)
        super().__init__(module=module, device_ids=device_ids, **kwargs)
