"""Reading the YAML files of studies, with what is wrong told in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml


def read_yaml(path: Path) -> Any:
    """The content of a study's file.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It is no YAML.
    """
    if not path.is_file():
        raise FileNotFoundError(f'The study `{path}` is not there; check the path.')
    try:
        return yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(
            f'`{path}` is no YAML file ({" ".join(str(error).split())}); mend it.'
        ) from error


def config_beside(name: Any, path: Path) -> str:
    """A config that a study names: ``package::…`` as it is, others relative to the study's file.

    Raises:
        FileNotFoundError: It is not there.
    """
    name = str(name)
    if '::' in name:
        return name
    file = (path.parent / name).resolve()
    if not file.is_file():
        raise FileNotFoundError(f'The config `{name}` of `{path}` is not there; check the path.')
    return str(file)


def mapping(content: Any, known: Collection[str] | None, where: str) -> dict:
    """A dictionary; with `known` one of these keys.

    Raises:
        ValueError: It is none, or has another key.
    """
    if not isinstance(content, dict):
        raise ValueError(f'{where} must be keys with values, but got {content!r}.')
    for key in content:
        if known is not None and key not in known:
            raise ValueError(
                f'{where} has the unknown key `{key}`; known are {", ".join(sorted(known))}.'
            )
    return content


def numbers(content: Any, where: str, kind: type) -> Iterator[Any]:
    """A list of numbers from 0 as `kind`, ``int`` or ``float``.

    Raises:
        ValueError: It is none.
    """
    allowed = (int, float) if kind is float else int
    if not isinstance(content, list) or not content:
        raise ValueError(f'{where} must be a list of numbers, but got {content!r}.')
    for value in content:
        if isinstance(value, bool) or not isinstance(value, allowed) or value < 0:
            raise ValueError(
                f'{where} must be numbers from 0, whole ones for seeds, not {value!r}.'
            )
        yield kind(value)
