"""Writes tiny made-up data sets in the layouts of the real ones. Knows nothing of the readers that it is made for."""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

MSEC_SUFFIXES = ('N1.5', 'N1', '0', 'P1', 'P1.5')


def picture(path: Path, size=(6, 9), level=None) -> Path:
    """A picture file of (height, width), of one grey or of noise; the format follows the suffix, whatever its case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if level is None:
        seed = zlib.crc32('/'.join(path.parts[-3:]).encode())
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    else:
        pixels = np.full((*size, 3), level, dtype=np.uint8)
    kind = {'.jpg': 'JPEG', '.jpeg': 'JPEG', '.tif': 'TIFF'}.get(path.suffix.lower(), 'PNG')
    Image.fromarray(pixels).save(path, kind)
    return path


def lol_v1(root: Path, train=(2, 9, 91, 789, 5), test=(1, 22)) -> Path:
    for half, numbers in (('our485', train), ('eval15', test)):
        for number in numbers:
            picture(root / half / 'low' / f'{number}.png')
            picture(root / half / 'high' / f'{number}.png')
    return root


def lol_v2(root: Path, count=3) -> Path:
    for half in ('Train', 'Test'):
        for number in range(1, count + 1):
            picture(root / 'Real_captured' / half / 'Low' / f'low{number:05d}.png')
            picture(root / 'Real_captured' / half / 'Normal' / f'normal{number:05d}.png')
    return root


def fivek(root: Path, numbers) -> Path:
    for number in numbers:
        picture(root / 'low' / f'{number:04d}.tif')
        picture(root / 'high' / f'a{number:04d}-by_C_{number}.jpg')
    return root


def sice(root: Path, train, test) -> Path:
    for half, scenes in (('train', train), ('test', test)):
        for scene in scenes:
            for folder in ('low', 'mid', 'over'):
                picture(root / half / folder / f'{scene}.{"JPG" if scene % 2 else "jpg"}')
    return root


def sice_raw(root: Path, part: int, sequences: dict[int, int], size=(6, 9), labels=None) -> Path:
    """`sequences`: number to number of exposures; exposure k is grey of level 10 k."""
    folder = root / f'Dataset_Part{part}'
    for number, count in sequences.items():
        for k in range(1, count + 1):
            suffix = ('JPG', 'jpg', 'PNG')[k % 3]
            picture(folder / str(number) / f'{k}.{suffix}', size, 10 * k)
        picture((labels or folder / 'Label') / f'{number}.{"PNG" if number % 2 else "JPG"}', size)
    return root


def msec(root: Path, train=('a0001-x_y',), test=('a0002-_DSC_1.b',), experts='ce') -> Path:
    for half, scenes in (('training', train), ('validation', train), ('testing', test)):
        targets = (
            [f'expert_{e}_testing_set' for e in experts] if half == 'testing' else ['GT_IMAGES']
        )
        for scene in scenes:
            for index, suffix in enumerate(MSEC_SUFFIXES):
                extension = 'JPG' if index % 2 else 'jpg'
                picture(root / half / 'INPUT_IMAGES' / f'{scene}_{suffix}.{extension}')
            for target in targets:
                picture(root / half / target / f'{scene}.jpg')
    return root


def rellisur(root: Path, size=(6, 9), scales=(1, 2, 4), **scenes) -> Path:
    """`scenes`: folder of the subset to scene to the stops in its file names."""
    for half, exposures in scenes.items():
        for scene, stops in exposures.items():
            for stop in stops:
                picture(root / half / 'LLLR' / f'{scene}{stop}.png', size)
            for scale in scales:
                sides = tuple(scale * side for side in size)
                picture(root / half / 'NLHR' / f'X{scale}' / f'{scene}.png', sides)
    return root
