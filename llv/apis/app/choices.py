"""What the page offers: enhancers that work as they are, and published weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llv.apis.enhancers import enhancer_config, registered_enhancers
from llv.models.enhancers import published
from llv.models.enhancers.base import BaseEnhancer
from llv.models.enhancers.build import build_enhancer


@dataclass(frozen=True)
class Choice:
    """One enhancer to choose.

    Attributes:
        name: What :func:`llv.apis.init_enhancer` takes: an enhancer, published weights or a config file.
        cfg: Its config.
        kind: Its class.
        row: The published weights that belong to it, if any.
        is_trained: Whether it needs no weight file from the user.
    """

    name: str
    cfg: dict[str, Any]
    kind: type[BaseEnhancer]
    row: published.PublishedWeights | None
    is_trained: bool

    @property
    def takes_weights(self) -> bool:
        """Whether a weight file can be given to it."""
        return 'weights' in inspect.signature(self.kind).parameters

    @property
    def title(self) -> str:
        """What the list says, with a mark where something is missing on this machine now."""
        text = self.name if self.row is None else f'{self.name} ({self.row.enhancer})'
        if Path(self.name).suffix:
            text = Path(self.name).name
        if self.row is not None and not self.row.file.is_file():
            return text + (
                ', not yet downloaded' if self.row.sha256 else ', to be put there by hand'
            )
        return text if self.is_trained else f'{text}, untrained'

    @property
    def about(self) -> str:
        """One or two sentences of Markdown."""
        line = (inspect.getdoc(self.kind) or self.kind.__name__).partition('\n')[0].rstrip('.')
        text = re.sub(r':\w+:(?=`)', '', line).replace('``', '`') + '.'
        row = self.row
        if not self.is_trained:
            return f'{text} Untrained: give a weights file.'
        if row is None:
            return text
        text += f' Trained on {row.trained_on}; licence: {row.licence}.'
        if row.file.is_file():
            return text
        if row.sha256:
            return f'{text} **Not yet downloaded:** the first use fetches it from {row.repository}.'
        return f'{text} **Not on this machine:** get it from {row.url} and put it at `{row.file}`.'


def offered(names: Sequence[str] | None = None) -> list[Choice]:
    """The choices of the page.

    Args:
        names: Enhancers, published weights and config files, as :func:`llv.apis.init_enhancer` takes them. None, in
            this order: weights that come with llv, enhancers without parameters, all other published weights, and the
            registered enhancers that are untrained without a weight file; those that cannot be built without options
            are left out.

    Returns:
        At least one choice, each name once.

    Raises:
        ValueError, FileNotFoundError: As :func:`llv.apis.enhancer_config`.
    """
    if names is not None:
        return [_choice(name) for name in dict.fromkeys(names)]
    rows = published.PUBLISHED.values()
    weights = [_choice(row.name) for row in rows]
    plain = [
        _choice(full.removeprefix('llv.'))
        for full, kind in sorted(registered_enhancers().items())
        if not _needed(kind)
    ]
    return [
        *(choice for choice in weights if choice.row.is_packaged),
        *(choice for choice in plain if choice.is_trained),
        *(choice for choice in weights if not choice.row.is_packaged),
        *(choice for choice in plain if not choice.is_trained),
    ]


def _choice(name: str) -> Choice:
    cfg = enhancer_config(name)
    kind = registered_enhancers()[cfg['type']]
    is_trained = cfg.get('weights') is not None or not _learns(cfg, kind)
    return Choice(name, cfg, kind, published.find(name), is_trained)


def _needed(kind: type[BaseEnhancer]) -> list[str]:
    """Arguments without a default."""
    return [
        p.name
        for p in inspect.signature(kind).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _learns(cfg: dict, kind: type[BaseEnhancer]) -> bool:
    """Whether the enhancer has parameters, which say nothing before they are trained."""
    return any(True for _ in build_enhancer({**cfg, 'type': kind}).parameters())
