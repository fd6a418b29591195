"""Pictures to try the page with, drawn when it starts."""

from __future__ import annotations

from pathlib import Path

from llv.datasets.night_scenes import NightScenes
from llv.utils.pictures import write_picture

# three of the darkest of the first two dozen
_SCENES = (4, 20, 1)
_SIZE = (480, 640)


def write_examples(folder: Path) -> list[Path]:
    """Write synthetic night scenes (no photographs) as PNG, and return their files."""
    scenes = NightScenes(size=_SIZE, seed=0, split='examples')
    files = []
    for number, index in enumerate(_SCENES, start=1):
        files.append(folder / f'night_scene_{number}.png')
        write_picture(files[-1], scenes[index].night)
    return files
