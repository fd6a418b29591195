"""Training one network of the table."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .network import TabularNetwork
from .tasks import make_scenes, stacked

SETTINGS = dict(steps=150, batch_size=16, lr=0.02)


def train_network(
    task: str,
    genotype: Sequence[str],
    seed: int,
    steps: int = SETTINGS['steps'],
    batch_size: int = SETTINGS['batch_size'],
    lr: float = SETTINGS['lr'],
) -> dict[str, float]:
    """Train a network as a search trains ω: the scene module by ℓ_s, the task module behind it by ℓ_t.

    Args:
        task: ``interaction`` or ``control``.
        genotype: Candidates of s1, s2, t1, t2.
        seed: Of weights and batches.
        steps: Steps of Adam, whose rate falls to nothing along a line.
        batch_size: Pictures a step.
        lr: First rate.

    Returns:
        ``scene`` and ``task``, the losses over the test pictures, and ``valid``, ℓ_t over the validation pictures.
    """
    network = TabularNetwork(task, genotype, seed)
    inputs, targets = stacked(make_scenes('train'))
    optimizer = torch.optim.Adam(network.parameters(), lr)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        optimizer.param_groups[0]['lr'] = lr * (1 - step / steps)
        chosen = torch.randint(len(inputs), (batch_size,), generator=generator)
        losses = network.losses(inputs[chosen], targets[chosen], cut=True)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    with torch.no_grad():
        test = network.losses(*stacked(make_scenes('test')))
        valid = network.losses(*stacked(make_scenes('valid')))
    return dict(
        task=test['loss_task'].item(),
        scene=test['loss_scene'].item(),
        valid=valid['loss_task'].item(),
    )
