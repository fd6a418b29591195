"""The same start for all arms of a seed: first weights of one network, and digests by which twins are known."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor, nn

from llv.benchmark.relation.recorder import Recorder
from llv.registry import MODELS

# what belongs to no network: the state of the loss, and the packed options
_OTHER = ('scene_loss.', 'options')


def first_weights(cfg: Config, seed: int) -> dict[str, Tensor]:
    """The tensors that the enhancer of a config starts with at a seed.

    Args:
        cfg: Of the host as it is, without what an arm changes.
        seed: Of the study.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        enhancer = MODELS.build(copy.deepcopy(cfg.model.enhancer))
    return network(enhancer)


def network(enhancer: nn.Module) -> dict[str, Tensor]:
    """The tensors of an enhancer but those of its loss."""
    state = enhancer.state_dict()
    return {name: value for name, value in state.items() if not name.startswith(_OTHER)}


def share(enhancer: nn.Module, weights: Mapping[str, Tensor]) -> int:
    """Put weights into all layers that another network has too.

    Args:
        enhancer: Changed; layers that `weights` lack, or have in another shape, stay as they are.
        weights: Of :func:`first_weights`.

    Returns:
        How many tensors it took.
    """
    own = network(enhancer)
    taken = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    enhancer.load_state_dict({**enhancer.state_dict(), **taken})
    return len(taken)


class Start(Recorder):
    """Start from given weights, and record these, the first batch and the figures of validations.

    Args:
        folder: Where to write.
        weights: Of :func:`first_weights`.
    """

    def __init__(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        super().__init__(folder)
        self.weights = weights

    def before_train(self, runner: Runner) -> None:
        """The weights, unless the training goes on from a checkpoint."""
        if runner.iter == 0:
            share(runner.model.enhancer, self.weights)
            self._weights = digest(self.weights)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 of named tensors."""
    sha = hashlib.sha256()
    for name, tensor in tensors.items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()
