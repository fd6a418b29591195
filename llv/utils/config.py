"""Reading any mm config: a file, or one inside an installed package."""

from __future__ import annotations

import importlib.util
from argparse import ArgumentParser, Namespace
from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from llv.utils.imports import use_working_folder


class KeyValueAction(DictAction):
    """``key=value`` pairs of a command line; a pair without ``=`` is a message instead of a traceback."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: Any = None
    ) -> None:
        for pair in values:
            if '=' not in pair:
                parser.error(f'`{option} {pair}` has no `=`; write `key=value`.')
        super().__call__(parser, namespace, values, option)


def load_config(name: str | PathLike, options: dict[str, Any] | None = None) -> Config:
    """Read a config.

    Args:
        name: A file (relative to the working directory) or ``package::folder/file.py`` for one that ships with an
            installed package: ``llv::…``, ``mmdet::…``, ``mmseg::…``.
        options: Values by dotted key that replace those of the config, such as ``{'train_cfg.max_epochs': 2}``;
            numbers in a key count in lists.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package is not installed.
        ValueError: The file is no valid config, or `options` do not fit it.
    """
    use_working_folder()  # for what `type` or `custom_imports` names by its module
    name = str(name)
    package, separator, file = name.partition('::')
    if separator:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
        if spec is None or spec.origin is None:
            raise ImportError(
                f'The package `{package}` of the config `{name}` is not installed; install it or give a path.'
            )
        # straight from the package's folder: mmengine's own look-up goes by distribution names and calls pip on a miss
        path = Path(spec.origin).parent / '.mim' / 'configs' / file
        if not path.is_file():
            raise FileNotFoundError(
                f'`{package}` ships no config `{file}`; look into its `configs` folder for the name.'
            )
    else:
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(
                f'The config `{name}` is not there; give a file or `package::folder/file.py`, such as '
                '`mmdet::ssd/ssd300_coco.py`.'
            )
    config = _read(path, name)
    if options:
        try:
            config.merge_from_dict(options)
        except (KeyError, TypeError, ValueError, IndexError, AssertionError) as error:
            raise ValueError(
                f'The options {", ".join(f"`{key}`" for key in options)} do not fit the config `{name}` ({error}); '
                'name existing list items and give dictionaries for dictionaries.'
            ) from error
    return config


def _read(path: Path, name: str) -> Config:
    """The config in a file that is there."""
    if path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise ValueError(f'`{name}` is no config; give a .py, .json or .yaml file.')
    try:
        return Config.fromfile(path)
    except OSError as error:
        missing = error.filename or error
        raise FileNotFoundError(
            f'The config `{name}` names a file that is not there ({missing}); correct its `_base_`.'
        ) from error
    except ImportError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ValueError(
            f'`{name}` imports what is not there ({reason}); start in the folder that holds it, or name that folder in '
            '`PYTHONPATH`.'
        ) from error
    except (SyntaxError, NameError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(
            f'`{name}` is no valid config ({type(error).__name__}: {str(error).splitlines()[0]}); correct the file.'
        ) from error
