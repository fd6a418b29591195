"""Which OpenMMLab stack is installed, and what llv can do with it.

The stack exists twice under the same import names: OpenMMLab's own distributions and their
maintained continuation (`onedl-*`). llv runs on either. Everything here is found out from file
names and metadata, because importing mmdet or mmseg takes seconds and both are optional.
"""

import functools
import re
import warnings
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

# import name -> (distribution of the continuation, of OpenMMLab)
DISTRIBUTIONS = {
    'mmengine': ('onedl-mmengine', 'mmengine'),
    'mmcv': ('onedl-mmcv', 'mmcv'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
}
MINIMUM = {'torch': '2.0', 'mmengine': '0.10'}


def _is_distributed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def is_continuation() -> bool:
    """Tells whether mmengine is that of the maintained continuation."""
    return _is_distributed(DISTRIBUTIONS['mmengine'][0])


def _remedy(package: str) -> str:
    """The command that installs `package` from the stack that is already there."""
    continuation, original = DISTRIBUTIONS[package]
    if any(_is_distributed(names[1]) for names in DISTRIBUTIONS.values()):
        return f'`pip install {original}`'
    return f'`pip install {continuation}`'


def extra(name: str) -> str:
    """Where the packages of an extra of llv come from, to end a message with; llv is on no package index.

    Example:
        >>> extra('app')
        "`make env` has it; elsewhere run `pip install -e '.[app]'` in the folder of llv"
    """
    return f"`make env` has it; elsewhere run `pip install -e '.[{name}]'` in the folder of llv"


def _release(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: '0.10.7rc1+cpu' -> (0, 10, 7)."""
    match = re.match(r'\d+(\.\d+)*', text)
    return tuple(int(part) for part in match.group().split('.')) if match else ()


def check_stack() -> None:
    """Checks what `import llv` needs: torch and mmengine, new enough, and one stack only.

    Warns when distributions of both stacks are installed: they write into the same folders, so what
    is imported is a mixture of the two.

    Raises:
        ImportError: torch or mmengine is missing or too old; the message is one sentence with the
            command that mends it.
    """
    for package, minimum in MINIMUM.items():
        install = _remedy(package) if package in DISTRIBUTIONS else f'`pip install {package}`'
        if find_spec(package) is None:
            raise ImportError(f'llv needs `{package}` {minimum} or newer: run {install}.')
        found = __import__(package).__version__
        if _release(found) < _release(minimum):
            upgrade = install.replace('pip install', 'pip install --upgrade')
            raise ImportError(
                f'llv needs `{package}` {minimum} or newer, not {found}: run {upgrade}.'
            )
    twice = [names for names in DISTRIBUTIONS.values() if all(map(_is_distributed, names))]
    if twice:
        pairs = ', '.join(f'`{first}` and `{second}`' for first, second in twice)
        warnings.warn(
            f'{pairs} are installed together under the same import name and have overwritten '
            "each other's files: start from a fresh environment with one of them.",
            stacklevel=3,
        )


@functools.cache
def has_ops() -> bool:
    """Tells whether mmcv is there with its compiled operators (`mmcv.ops`)."""
    mmcv = find_spec('mmcv')
    if mmcv is None or not mmcv.submodule_search_locations:
        return False
    return PathFinder.find_spec('_ext', list(mmcv.submodule_search_locations)) is not None


@functools.cache
def has_mmdet() -> bool:
    """Tells whether mmdet can be used: it is there, and so are mmcv's operators it imports."""
    return find_spec('mmdet') is not None and has_ops()


@functools.cache
def has_mmseg() -> bool:
    """Tells whether mmseg can be used: it is there, and so are mmcv's operators it imports."""
    return find_spec('mmseg') is not None and has_ops()


def missing_for(package: str) -> str:
    """Says in one sentence what keeps `package` from working, and the remedy.

    Args:
        package: Import name: 'mmengine', 'mmcv', 'mmcv.ops', 'mmdet' or 'mmseg'.

    Returns:
        The sentence; an empty string when nothing is missing.

    Raises:
        ValueError: llv knows no such package.
    """
    name = package.split('.')[0]
    if name not in DISTRIBUTIONS:
        known = ', '.join(f'`{known}`' for known in (*DISTRIBUTIONS, 'mmcv.ops'))
        raise ValueError(f'`package` must be one of {known}, not `{package}`.')
    if find_spec(name) is None:
        return f'`{name}` is not installed: run {_remedy(name)}.'
    if package in ('mmcv.ops', 'mmdet', 'mmseg') and not has_ops():
        if find_spec('mmcv') is None:
            return f'`{name}` needs `mmcv`, which is not installed: run {_remedy("mmcv")}.'
        return (
            '`mmcv.ops` is missing, because mmcv was installed without its compiled operators: '
            "run `make env` in llv's repository, or build mmcv from source with `MMCV_WITH_OPS=1`."
        )
    return ''


def _refuse_command(command: list[str]) -> None:
    """Stands in for the function with which mmengine runs pip."""
    package = command[-1]
    names = {name: module for module, pair in DISTRIBUTIONS.items() for name in (module, *pair)}
    if package in names:
        raise ModuleNotFoundError(missing_for(names[package]))
    raise ModuleNotFoundError(
        f'`{package}` is not installed: install the distribution that holds it and try again.'
    )


def resolve_packages() -> None:
    """Makes `mmdet::`, `mmseg::` and `llv::` config paths resolve, and never through pip.

    mmengine looks packages up by distribution name, and `get_config` runs pip for one it does not
    find: on the continuation it would install OpenMMLab's own mmsegmentation over the maintained
    one. Names of distributions that are absent are therefore replaced by the import name, which
    mmengine looks for next; and a package that is absent altogether raises `ModuleNotFoundError`
    with the command to install it.
    """
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.utils import package_utils

    for module, distribution in MODULE2PACKAGE.items():
        if module != distribution and not _is_distributed(distribution):
            MODULE2PACKAGE[module] = module
    # Not just 'llv': OpenMMLab's mmengine looks for the files of an editable install beside its
    # metadata, where they are not. A submodule is no distribution, so both stacks find its folder.
    MODULE2PACKAGE['llv'] = 'llv.version'
    # Its only caller there is `install_package`, looked up when called: whoever imported that
    # before gets the refusal too.
    package_utils.call_command = _refuse_command
