"""Code of users: modules beside their work, by name or by file."""

from __future__ import annotations

import ast
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType


def use_working_folder() -> None:
    """Let modules of the working folder be imported, as ``python -m`` does; what is installed comes first.

    Started as ``python tools/train.py``, Python looks into ``tools`` alone, and ``type='my_folder.my_file.MyClass'`` of
    a config would not be found.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)


def defines_class(path: str | os.PathLike) -> bool:
    """Whether a file is a module with a class in it, which no config has.

    Args:
        path: A file; one that is not there, or is no Python, defines none.
    """
    if Path(path).suffix != '.py' or not Path(path).is_file():
        return False
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(statement, ast.ClassDef) for statement in tree.body)


def import_file(path: str | os.PathLike) -> ModuleType:
    """Import a file as the module that other processes started in the same folder know it by.

    A file below the working folder is named after its place in it (``mine/lamp.py`` is ``mine.lamp``), any other
    after itself, its folder being added to where modules are looked for.

    Raises:
        ValueError: Its name is no name of a module, or that of another one.
    """
    use_working_folder()
    file = Path(os.path.abspath(path))  # links stay: modules are named after them
    try:
        parts = file.relative_to(os.getcwd()).with_suffix('').parts
    except ValueError:
        parts = ()
    if not parts or not all(part.isidentifier() for part in parts):
        parts = (file.stem,)
        if str(file.parent) not in sys.path:
            sys.path.append(str(file.parent))
    name = '.'.join(parts)
    if not name.replace('.', '').isidentifier():
        raise ValueError(
            f'`{path}` cannot be imported, because `{file.stem}` is no name of a module; rename the file to letters, '
            'digits and `_`.'
        )
    module = import_module(name)
    found = getattr(module, '__file__', None)
    if found is None or not os.path.samefile(found, file):
        raise ValueError(
            f'`{path}` cannot be imported, because another module is called `{name}`; rename the file.'
        )
    return module
