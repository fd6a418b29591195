"""The work behind the page: light a picture, and hand out all there is to show."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from llv.apis.enhancers import init_enhancer
from llv.apis.inference import enhance
from llv.apis.large import ran_out_of_memory
from llv.models.enhancers.base import BaseEnhancer, Enhancement
from llv.utils.pictures import read_photograph, write_picture

from .choices import Choice
from .detection import Detector
from .pictures import draw_boxes, fit, map_pictures


@dataclass(frozen=True)
class Lit:
    """All that the page shows of one lit picture.

    Attributes:
        file: The result as PNG at full size.
        before, after: For the screen, (h, w, 3) RGB uint8 of one size.
        facts: Size, time, device, mean level and what else there is to say, each a short text.
        maps: Pictures of the enhancer's maps with their captions.
        detections: The picture before and after, each with boxes and a caption, or none without a detector.
    """

    file: Path
    before: np.ndarray
    after: np.ndarray
    facts: tuple[str, ...]
    maps: list[tuple[np.ndarray, str]]
    detections: list[tuple[np.ndarray, str]]


class Workbench:
    """Lights one picture at a time; keeps the last enhancer, so that the next picture need not wait for it.

    Args:
        folder: For results. The one before is removed when the next one comes.
        device: Where enhancers and detectors run.
        detectors: Those to choose from, on `device`.

    Attributes:
        detectors: By name.
    """

    def __init__(
        self, folder: Path, device: str = 'cpu', detectors: Sequence[Detector] = ()
    ) -> None:
        self.folder = folder
        self.device = device
        self.detectors = {detector.name: detector for detector in detectors}
        self._last: tuple[Any, BaseEnhancer] | None = None

    def light(
        self,
        picture: str | Path,
        choice: Choice,
        weights: str | Path | None = None,
        options: Mapping[str, Any] | None = None,
        detector: str | None = None,
        score: float = 0.3,
    ) -> Lit:
        """Light a picture file.

        Args:
            picture: File, see :func:`llv.utils.pictures.read_photograph`.
            choice: The enhancer.
            weights: File that replaces the weights of `choice`.
            options: Arguments of the enhancer.
            detector: Name of a detector to run on the picture as it is, and behind the enhancer.
            score: Lowest score of a detection that is drawn.

        Raises:
            llv.utils.pictures.PictureError: The file is no picture.
            ValueError, FileNotFoundError: As :func:`llv.apis.init_enhancer`; also where memory runs out.
        """
        notes: list[str] = []
        dark = read_photograph(picture, notes.append)
        module = self._ready(choice, weights, dict(options or {}))
        try:
            lit, enhancement, seconds = _watch(module, dark, self.device)
            detections = self._detect(module, dark, lit, detector, score)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            raise ValueError(
                f'The picture of {dark.shape[1]} × {dark.shape[0]} pixels needs more memory than `{self.device}` has '
                'free; lower `estimate_scale` where the enhancer has it, or shrink the picture.'
            ) from error
        after = fit(lit)
        size = after.shape[1::-1]
        # the slider lays one on the other
        before = cv2.resize(fit(dark), size, interpolation=cv2.INTER_NEAREST)
        return Lit(
            file=self._write(lit, Path(picture).stem, choice),
            before=before,
            after=after,
            facts=(
                *_facts(dark, lit, seconds, self.device, weights is None and not choice.is_trained),
                *('its colour profile cannot be used' for _ in notes),
            ),
            maps=map_pictures(enhancement.maps),
            detections=detections,
        )

    def _ready(self, choice: Choice, weights: Any, options: dict[str, Any]) -> BaseEnhancer:
        asked = (choice.name, None if weights is None else str(weights), options)
        if self._last is None or self._last[0] != asked:
            self._last = None  # two may not fit into the memory
            module = init_enhancer(choice.name, weights, self.device, **options)
            self._last = (asked, module)
        return self._last[1]

    def _detect(
        self,
        module: BaseEnhancer,
        dark: np.ndarray,
        lit: np.ndarray,
        name: str | None,
        score: float,
    ) -> list[tuple[np.ndarray, str]]:
        if name is None:
            return []
        detector = self.detectors[name]
        eight_bits = fit(dark, max(dark.shape))
        panels = []
        for title, picture, enhancer, scale in (
            ('before', eight_bits, None, 1),
            ('after', lit, module, module.scale),
        ):
            found = detector.find(eight_bits, enhancer, score)
            panels.append((draw_boxes(picture, found, scale), f'{title}: {len(found)} found'))
        return panels

    def _write(self, lit: np.ndarray, stem: str, choice: Choice) -> Path:
        shutil.rmtree(self.folder, ignore_errors=True)
        file = self.folder / f'{stem}_{Path(choice.name).stem}.png'
        write_picture(file, lit)
        return file


def _watch(
    module: BaseEnhancer, picture: np.ndarray, device: str
) -> tuple[np.ndarray, Enhancement, float]:
    """What :func:`llv.apis.enhance` returns, with the maps on the way and the seconds in the enhancer alone."""
    seen: list[Any] = []

    def note(*given: Any) -> None:
        if torch.device(device).type == 'cuda':
            torch.cuda.synchronize(device)
        seen.extend((time.perf_counter(), given[-1]))

    hooks = [module.register_forward_pre_hook(note), module.register_forward_hook(note)]
    try:
        lit = enhance(module, picture)
    finally:
        for hook in hooks:
            hook.remove()
    started, _, ended, enhancement = seen
    return lit, enhancement, ended - started


def _facts(
    dark: np.ndarray, lit: np.ndarray, seconds: float, device: str, is_untrained: bool
) -> tuple[str, ...]:
    def size(picture: np.ndarray) -> str:
        return f'{picture.shape[1]} × {picture.shape[0]}'

    def level(picture: np.ndarray) -> float:
        return 100 * float(picture.mean()) / np.iinfo(picture.dtype).max

    facts = [
        f'{size(dark)} pixels'
        if dark.shape == lit.shape
        else f'{size(dark)} to {size(lit)} pixels',
        f'lit in {1000 * seconds:.0f} ms on {device}',
        f'mean level {level(dark):.0f} % to {level(lit):.0f} %',
    ]
    if is_untrained:
        facts.append('untrained: this is what random weights do')
    return tuple(facts)
