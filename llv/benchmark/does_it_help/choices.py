"""The enhancers that a user asks about, as the command line writes them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from llv.apis.enhancers import init_enhancer
from llv.models.enhancers.fixed_gain import FixedGain
from llv.utils.arguments import enhancer_entry

NONE = 'none'


@dataclass(frozen=True)
class Choice:
    """An enhancer, or none.

    Attributes:
        text: As it was written; what tables call it.
        name: Name or config of the enhancer; ``'none'`` for the model alone.
        weights: Weight file or name of published weights, where one was given.
        options: Arguments of the enhancer.
    """

    text: str
    name: str
    weights: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def read_choices(texts: Sequence[str]) -> list[Choice]:
    """The model alone, then the enhancers ``NAME[:WEIGHTS][@KEY=VALUE,...]``.

    Raises:
        ValueError: One is not written so, stands there twice, is unknown, takes no such option, or would be random.
        FileNotFoundError: A weight file is not there.
    """
    choices = [Choice(NONE, NONE), *map(_read, texts)]
    for place, choice in enumerate(choices):
        if choice.text in texts[place:]:
            raise ValueError(f'`{choice.text}` is there twice; name each enhancer once.')
    for choice in choices[1:]:
        _check(choice)
    return choices


def _read(text: str) -> Choice:
    if text == NONE:
        raise ValueError('`none` is always measured; name the enhancers alone.')
    try:
        name, weights, options = enhancer_entry(text)
    except ArgumentTypeError as error:
        raise ValueError(f'{error}, such as `ruas:lol.pt` or `fixed_gain@gain=4`.') from None
    return Choice(text, name, weights, options)


def _check(choice: Choice) -> None:
    """Build it once: what is wrong with it shows before hours of inference."""
    module = init_enhancer(choice.name, choice.weights, **choice.options)
    has_parameters = any(True for _ in module.parameters())
    if module.weights is None and has_parameters:
        raise ValueError(
            f'`{choice.text}` would be random, because it has no weights; write `{choice.name}:FILE`, or the name of '
            'published weights (`python tools/list_enhancers.py` shows them).'
        )
    if isinstance(module, FixedGain) and torch.equal(module.gain, torch.ones_like(module.gain)):
        raise ValueError(
            f'`{choice.text}` has a gain of 1, which changes nothing; write its gain, such as `{choice.name}@gain=4`.'
        )
