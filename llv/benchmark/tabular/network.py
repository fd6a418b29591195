"""The network of the benchmark: two scene edges and two task edges."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from llv.search.operations import build_operation
from llv.search.searchable import Searchable
from llv.search.spaces import SearchSpace

from .tasks import check_task, scene_loss, task_loss

SPACE = SearchSpace('tabular', 1, ('conv_1x1', 'conv_3x3', 'dilconv_3x3'))
SCENE_EDGES = ('s1', 's2')
TASK_EDGES = ('t1', 't2')
WIDTH = 3

Genotype = tuple[str, str, str, str]  # of s1, s2, t1, t2


def all_genotypes() -> list[Genotype]:
    """The 81 networks of the space."""
    return list(itertools.product(SPACE.candidates, repeat=4))


class TwoEdges(Searchable, nn.Module):
    """Two edges with a leaky rectification between them.

    Args:
        module: What genotypes call it.
        edges: Names of the two.
        genotype: Their candidates; None for the supernet.
    """

    def __init__(
        self,
        module: str,
        edges: Sequence[str],
        genotype: Sequence[str] | Mapping | None = None,
    ) -> None:
        super().__init__()
        self.genotype_module = module
        self.settle_genotype(genotype, SPACE, edges)
        self.first, self.second = (
            self.build_edge(edge, lambda name: build_operation(name, WIDTH)) for edge in edges
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in and out."""
        return self.second(F.leaky_relu(self.first(x), 0.2))


class TabularNetwork(BaseModel):
    """A scene module that estimates log L from log y, and a task module that names the material.

    Nothing goes round the edges, so each module sees as far as they do: 1 to 9 pixels. The head behind the task edges
    is 1×1.

    Args:
        task: See :func:`llv.benchmark.tabular.tasks.task_loss`.
        genotype: Candidates of s1, s2, t1, t2; None for the supernet.
        seed: Of the weights; each module has numbers of its own, so that they do not depend on the other's edges.
    """

    def __init__(self, task: str, genotype: Sequence[str] | None = None, seed: int = 0) -> None:
        check_task(task)
        super().__init__()
        self.aim = task
        scene, edges = (None, None) if genotype is None else (genotype[:2], genotype[2:])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2 * seed)
            self.scene = TwoEdges('scene', SCENE_EDGES, scene)
            torch.manual_seed(2 * seed + 1)
            self.task = TwoEdges('task', TASK_EDGES, edges)
            self.head = nn.Conv2d(WIDTH, 1, 1)

    def see(self, x: Tensor) -> Tensor:
        """The task module: (N, 3, H, W) to (N, 1, H, W)."""
        return self.head(F.leaky_relu(self.task(x), 0.2))

    def losses(self, inputs: Tensor, targets: Tensor, cut: bool = False) -> dict[str, Tensor]:
        """ℓ_s and ℓ_t of a batch.

        Args:
            inputs, targets: See :class:`llv.benchmark.tabular.tasks.ScenePictures`, (N, 6, H, W) and (N, 2, H, W).
            cut: Keep ℓ_t from reaching the scene module.

        Returns:
            Scalars ``loss_scene`` and ``loss_task``.
        """
        log_picture = inputs[:, :3].log()
        log_light = self.scene(log_picture)
        seen = log_light.detach() if cut else log_light
        return dict(
            loss_scene=scene_loss(log_light, log_picture),
            loss_task=task_loss(self.aim, self.see, seen, inputs, targets),
        )

    def forward(self, inputs: Tensor, targets: Tensor | None = None, mode: str = 'tensor'):
        """``loss``: :meth:`losses`; ``tensor``: the material of (N, 6, H, W), as (N, 1, H, W)."""
        inputs = torch.stack(list(inputs))
        if mode == 'loss':
            return self.losses(inputs, torch.stack(list(targets)))
        picture, even = inputs.log().split(3, dim=1)
        return self.see(even if self.aim == 'control' else picture - self.scene(picture))
