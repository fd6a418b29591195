"""The table of published weights: where they are, what they are, and what they imply.

llv ships its own weights only. The others are fetched from the repositories of their authors when they are asked for by
name, verified and kept in the user cache; see their licences before use.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llv.utils.downloads import cache_folder, download, sha256_of

_PACKAGED = Path(__file__).parent / 'weights'
# every file of the table is far smaller
_LARGEST = 64 * 2**20


@dataclass(frozen=True)
class PublishedWeights:
    """One row of the table.

    Attributes:
        name: What users write, such as ``psenet-sice``.
        enhancer: Class name of the enhancer it belongs to.
        repository: ``owner/name`` on GitHub; ``llv`` for weights that come with the package.
        path: File inside the repository, or inside the package.
        sha256: Of the file, in hex: 64 digits, or the first 16 where no more are known. Empty where nobody of us has
            seen the file; such a file cannot be verified, so it is not fetched.
        licence: As the repository states it.
        trained_on: Data set.
        options: Options of the enhancer that the weights imply.
        input_range: What the network is fed; pictures given to an enhancer are in [0, 1] always.
        colour_order: Channel order the network is fed.
    """

    name: str
    enhancer: str
    repository: str
    path: str
    sha256: str
    licence: str
    trained_on: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    input_range: str = '[0, 1]'
    colour_order: str = 'RGB'

    @property
    def url(self) -> str:
        """Where the file is fetched from."""
        return f'https://github.com/{self.repository}/raw/HEAD/{self.path}'

    @property
    def is_packaged(self) -> bool:
        """Whether the file comes with llv."""
        return self.repository == 'llv'

    @property
    def file(self) -> Path:
        """Where the file lies on this machine, whether it is there or not."""
        if self.is_packaged:
            return _PACKAGED / self.path
        return cache_folder() / 'weights' / f'{self.name}{Path(self.path).suffix}'


_NO_LICENCE = 'none stated'
_HUANG = 'KevinJ-Huang'
_IAT = 'cuiziteng/Illumination-Adaptive-Transformer'

_ROWS = (
    PublishedWeights(
        'psenet-night-scenes',
        'PSENet',
        'llv',
        'psenet_night_scenes.pth',
        'c406507458122f99eb08c98f001c98e8309a9ed4da5170d4be85b0ac696c06c7',
        'Apache-2.0',
        'night scenes (synthetic)',
        dict(width=1.0),
    ),
    PublishedWeights(
        'ruas-night-scenes',
        'RUAS',
        'llv',
        'ruas_night_scenes.pth',
        'a789dd497e0b46ad6ebf85f9aad40936a39a8c2577edf594332df8e6c837fb1e',
        'Apache-2.0',
        'night scenes (synthetic)',
        dict(variant='journal'),
    ),
    PublishedWeights(
        'psenet-sice',
        'PSENet',
        'VinAIResearch/PSENet-Image-Enhancement',
        'pretrained/sice.pth',
        'd273ab7d9473af2012ddcc46e64288595ae3f91fe6de4d7b1e5ff07dfe1cce1a',
        'BSD-3-Clause',
        'SICE part 1',
        dict(width=1.0),
    ),
    PublishedWeights(
        'psenet-msec',
        'PSENet',
        'VinAIResearch/PSENet-Image-Enhancement',
        'pretrained/afifi.pth',
        '',
        'BSD-3-Clause',
        'MSEC',
        dict(width=1.0),
    ),
    PublishedWeights(
        'zero-dce-sice',
        'ZeroDCE',
        'Li-Chongyi/Zero-DCE',
        'Zero-DCE_code/snapshots/Epoch99.pth',
        'a4395acb874f320375d9704997cef874eaaaaa26a1777ceb29a92b70f74c3612',
        'CC BY-NC 4.0, academic use only',
        'SICE part 1',
    ),
    PublishedWeights(
        'ruas-lol',
        'RUAS',
        'vis-opt-group/RUAS',
        'weights/lol.pt',
        '28eb6bcb94f62c9dcdb1cc96196ca9c2fd902ea729ff3d9d15e7c8534e9645ac',
        _NO_LICENCE,
        'LOL',
        dict(variant='journal'),
    ),
    PublishedWeights(
        'ruas-cvpr-lol',
        'RUAS',
        'KarelZhang/RUAS',
        'ckpt/lol.pt',
        'f45a881a9b836fff4a3172481f28c9eb4d91bc4df54ec064092f39ce40abcdcd',
        _NO_LICENCE,
        'LOL',
        dict(variant='cvpr'),
    ),
    *(
        PublishedWeights(
            f'fecnet-{name.lower()}',
            'FECNet',
            f'{_HUANG}/FECNet',
            f'FastFourier{name}/pretrain/0_bestavg.pth',
            digest,
            _NO_LICENCE,
            data,
            dict(formula=formula),
        )
        for name, digest, data, formula in (
            (
                'SICE',
                '7f43c5d3c33b12616bbf69eaa0ecae3ae1d84c0b731f71037d863551f77518d9',
                'SICE',
                'stabilised',
            ),
            ('MSEC', 'ad0937a51c3d292b', 'MSEC', 'stabilised'),
            ('FiveK', '4292d269acd6df89', 'MIT-Adobe FiveK', 'stabilised'),
            ('LOL', '3beed0ca4b6d8839', 'LOL', 'raw'),
        )
    ),
    *(
        PublishedWeights(
            f'iat-{name}',
            'IAT',
            _IAT,
            f'{folder}/{file}.pth',
            '',
            'Apache-2.0',
            data,
            dict(input_range=input_range),
            '[-1, 1]' if input_range == 'signed' else '[0, 1]',
        )
        for name, folder, file, data, input_range in (
            ('lol-v1', 'IAT_enhance', 'best_Epoch_lol_v1', 'LOL v1', 'unit'),
            ('lol-v2', 'IAT_enhance', 'best_Epoch_lol', 'LOL v2', 'signed'),
            ('exposure', 'IAT_enhance', 'best_Epoch_exposure', 'MSEC', 'unit'),
        )
    ),
    *(
        PublishedWeights(
            f'sci-{name}', 'SCI', 'vis-opt-group/SCI', f'weights/{name}.pt', '', 'MIT', data
        )
        for name, data in (
            ('easy', 'MIT-Adobe FiveK'),
            ('medium', 'LOL and LSRW'),
            ('difficult', 'DARK FACE'),
        )
    ),
    PublishedWeights(
        'eclnet-sice',
        'ECLNet',
        f'{_HUANG}/ECLNet',
        'ECLNet_SICE/pretrain/0_bestavg.pth',
        '116c3d805e33ee731cd22336655ddcbfc0b04111d46be256cb10996ac67e835b',
        _NO_LICENCE,
        'SICE',
    ),
    PublishedWeights(
        'eclnet-msec',
        'ECLNet',
        f'{_HUANG}/ECLNet',
        'ECLNet_MSEC/pretrain/0_bestavg.pth',
        'bee920cb66232859',
        _NO_LICENCE,
        'MSEC',
    ),
    PublishedWeights(
        'drbn-lol',
        'DRBN',
        'flyywh/CVPR-2020-Semi-Low-Light',
        'DRBL-stage1/src/pretrain/model_s1.pt',
        '6a61baf2d17a9246',
        _NO_LICENCE,
        'LOL',
        dict(exposure_normalization=False),
    ),
)


PUBLISHED: Mapping[str, PublishedWeights] = MappingProxyType({row.name: row for row in _ROWS})


def find(name: str) -> PublishedWeights | None:
    """The row of a name, in any case and with ``_`` for ``-``; None if there is none."""
    return PUBLISHED.get(str(name).lower().replace('_', '-'))


def closest(name: str) -> str | None:
    """The name of the table that `name` may have been meant to be."""
    near = difflib.get_close_matches(str(name).lower().replace('_', '-'), PUBLISHED, 1, 0.6)
    return near[0] if near else None


def recognise(path: str | os.PathLike) -> PublishedWeights | None:
    """The row of a file, whatever its name and place, by its sha256."""
    if Path(path).stat().st_size > _LARGEST:
        return None
    digest = sha256_of(path)
    return next((row for row in _ROWS if row.sha256 and digest.startswith(row.sha256)), None)


def fetch(row: PublishedWeights) -> Path:
    """The verified file of a row: from the package, from the user cache, or fetched into it.

    Raises:
        FileNotFoundError: It is not there and cannot be fetched; the message names the file, where to get it and
            where to put it.
        ValueError: What was fetched, or lies in the cache, is another file.
    """
    if row.is_packaged or row.file.is_file():
        return _verified(row)
    by_hand = f'get `{row.path}` of {row.repository} ({row.url}) and put it at `{row.file}`'
    if not row.sha256:
        raise FileNotFoundError(
            f'The weights `{row.name}` cannot be fetched, because no sha256 is known to verify them by; {by_hand}.'
        )
    try:
        download(row.url, row.file, row.sha256)
    except OSError as error:
        raise FileNotFoundError(
            f'The weights `{row.name}` are not in the cache and could not be fetched ({error}); {by_hand}.'
        ) from error
    return row.file


def _verified(row: PublishedWeights) -> Path:
    if row.sha256 and not sha256_of(row.file).startswith(row.sha256):
        raise ValueError(
            f'`{row.file}` is not the published file of `{row.name}` (its sha256 differs); remove it.'
        )
    return row.file
