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
    taken = {name: weights[name] for name in _common(enhancer, weights)}
    enhancer.load_state_dict({**enhancer.state_dict(), **taken})
    return len(taken)


def digest_of_start(enhancer: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """The digest of `weights` with the enhancer's own tensors in the place of those that it has too.

    So it is the same for networks that lack different layers, as long as each holds `weights` in all others.
    """
    return digest({**weights, **_common(enhancer, weights)})


def _common(enhancer: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The enhancer's own tensors that `weights` has too, by name and shape."""
    own = network(enhancer)
    return {k: own[k] for k, v in weights.items() if k in own and own[k].shape == v.shape}


class Start(Recorder):
    """Start from given weights, and record what the network then holds of them, the first batch and the figures of
    validations.

    Args:
        folder: Where to write.
        weights: Of :func:`first_weights`.

    Attributes:
        resumed: Whether the training went on from a checkpoint, so that this process has not seen all of it.
    """

    def __init__(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        super().__init__(folder)
        self.weights = weights
        self.resumed = False

    def before_train(self, runner: Runner) -> None:
        """The weights, unless the training goes on from a checkpoint."""
        self.resumed = runner.iter > 0
        if not self.resumed:
            share(runner.model.enhancer, self.weights)
            self._weights = digest_of_start(runner.model.enhancer, self.weights)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 of named tensors."""
    sha = hashlib.sha256()
    for name, tensor in tensors.items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()
