"""Genotypes as JSON: what was chosen for each edge of a searchable module.

A file holds the genotype of one module::

    {
      "llv_genotype": 1,
      "space": "high_level",
      "space_version": 1,
      "module": "ssd_neck",
      "edges": {"extra_0": "conv_7x7", "extra_1": "conv_3x3"},
      "macs": 1234, "parameters": 567, "search": {}
    }

of which the last line may be missing, or those of all modules that were searched together, by their place in the
model::

    {"llv_genotype": 1, "parts": {"neck": {...}, "bbox_head": {...}}}

Genotypes that were published lie beside this file and are read by their names.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from .operations import check_operation
from .spaces import LOW_LEVEL, SPACES, SearchSpace

FORMAT = 1
_KEY = 'llv_genotype'
_FOLDER = Path(__file__).parent / 'published'


def published_names() -> list[str]:
    """Names of the genotypes that come with llv."""
    return sorted(file.stem for file in _FOLDER.glob('*.json'))


def load_genotype(value: str | PathLike | Mapping[str, Any]) -> dict[str, Any]:
    """A genotype, or several in parts, with their format checked, and the candidates of llv's own spaces.

    Args:
        value: A file, a published name, or what such a file holds.

    Raises:
        FileNotFoundError: The file is not there.
        TypeError, ValueError: It is no genotype, or one that this version of llv does not know.
    """
    document, source = _open(value)
    _check(document, source)
    return document


def read_genotype(
    value: str | PathLike | Mapping[str, Any] | Sequence[str],
    module: str,
    space: SearchSpace,
    edges: Sequence[str],
) -> dict[str, str]:
    """The candidate of each edge of a module, in the order of its edges.

    Args:
        value: A file, a published name, what such a file holds, or the names of candidates in the order of the edges
            (in the low-level space of any operation). Of a genotype in parts the one of this kind of module counts.
        module: What genotypes call the module.
        space: What its edges choose among.
        edges: Names of its edges.

    Raises:
        FileNotFoundError: The file is not there.
        TypeError, ValueError: It is no genotype, or that of another module, space or number of edges.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _from_names(value, module, space, edges)
    document, source = _open(value)
    _check(document, source)
    if 'parts' in document:
        document = _part(document['parts'], module, source)
    for key, wanted in dict(module=module, space=space.name, space_version=space.version).items():
        if document[key] != wanted:
            raise ValueError(
                f'{source} is a genotype for `{key}={document[key]!r}`, but this is a `{module}` of '
                f'`{key}={wanted!r}`; choose the genotype of such a module or search again.'
            )
    chosen = document['edges']
    for edge in chosen:
        if edge not in edges:
            raise ValueError(
                f'{source} names the edge `{edge}`, which this `{module}` does not have; its edges are '
                f'{", ".join(edges)}.'
            )
    for edge in edges:
        if edge not in chosen:
            raise ValueError(
                f'{source} names nothing for the edge `{edge}` of this `{module}`; its edges are {", ".join(edges)}.'
            )
    _check_candidates(chosen, space, source)
    return {edge: chosen[edge] for edge in edges}


def make_genotype(
    module: str, space: SearchSpace, edges: Mapping[str, str], **facts: Any
) -> dict[str, Any]:
    """A genotype as files hold it.

    Args:
        module: What genotypes call the module.
        space: What its edges choose among.
        edges: The candidate of each edge.
        facts: What else is to be kept: ``macs``, ``parameters``, ``search``.
    """
    return {
        _KEY: FORMAT,
        'space': space.name,
        'space_version': space.version,
        'module': module,
        'edges': dict(edges),
        **facts,
    }


def join_genotypes(parts: Mapping[str, Mapping[str, Any]], **facts: Any) -> dict[str, Any]:
    """One genotype of several by their places in the model."""
    return {_KEY: FORMAT, 'parts': {place: dict(part) for place, part in parts.items()}, **facts}


def write_genotype(path: str | PathLike, genotype: Mapping[str, Any]) -> None:
    """Write a genotype so that there is never half a file.

    Args:
        path: The file; its folder is made.
        genotype: Of :func:`make_genotype` or :func:`join_genotypes`.

    Raises:
        ValueError: It is no genotype.
    """
    _check(genotype, 'What is to be written')
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    unfinished.write_text(json.dumps(genotype, indent=2) + '\n', encoding='utf-8')
    unfinished.replace(path)


def _open(value: Any) -> tuple[Any, str]:
    """What a file or a published name holds, and how to call it in an error."""
    if isinstance(value, Mapping):
        return value, 'The genotype'
    if not isinstance(value, (str, PathLike)):
        raise TypeError(
            f'`genotype` must be a file, a dict, a list of names or one of {", ".join(published_names())}, '
            f'but got {value!r}.'
        )
    path = Path(value).expanduser()
    if str(value) in published_names():
        path = _FOLDER / f'{value}.json'
    elif not path.is_file():
        near = difflib.get_close_matches(str(value), published_names(), n=1)
        names = ', '.join(published_names())
        hint = f'did you mean `{near[0]}`?' if near else f'check the path or choose from {names}.'
        raise FileNotFoundError(
            f'`{value}` is neither a file nor the name of a published genotype; {hint}'
        )
    try:
        document = json.loads(path.read_text(encoding='utf-8'), object_pairs_hook=_unique)
    except ValueError as error:
        reason = ' '.join(str(error).split())
        raise ValueError(
            f'`{value}` is no readable JSON ({reason}); write or copy it again.'
        ) from None
    return document, f'`{value}`'


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # of a key that is there twice the JSON reader keeps the second without a word
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key {twice} is there twice')
    return found


def _check(document: Any, source: str) -> None:
    """Whether this is a genotype of the format, with known spaces and candidates."""
    if not isinstance(document, Mapping) or _KEY not in document:
        raise ValueError(
            f'{source} is no genotype of llv, which is a JSON object with the key `{_KEY}`; give the file that a '
            'search wrote.'
        )
    if document[_KEY] != FORMAT:
        raise ValueError(
            f'{source} is a genotype of the format {document[_KEY]!r}, but this version of llv reads the format '
            f'{FORMAT}; use the llv that wrote it or search again.'
        )
    if 'parts' in document:
        parts = document['parts']
        if not isinstance(parts, Mapping) or not parts:
            raise ValueError(
                f'`parts` of {_inner(source)} must be genotypes by their places in the model, but got {parts!r}.'
            )
        for place, part in parts.items():
            if isinstance(part, Mapping) and 'parts' in part:
                raise ValueError(
                    f'The part `{place}` of {_inner(source)} has parts itself; name each module by its whole place.'
                )
            _check(part, f'The part `{place}` of {_inner(source)}')
        return
    for key in ('space', 'space_version', 'module', 'edges'):
        if key not in document:
            raise ValueError(f'{source} lacks the key `{key}`; give the file that a search wrote.')
    edges = document['edges']
    if not isinstance(edges, Mapping) or not edges:
        raise ValueError(
            f'`edges` of {_inner(source)} must name a candidate for each edge, but got {edges!r}.'
        )
    space = SPACES.get(str(document['space']))
    if space is None:  # a user's own: only the module that is built knows it
        return
    if document['space_version'] != space.version:
        raise ValueError(
            f'{source} is a genotype of version {document["space_version"]!r} of the space `{space.name}`, but this '
            f'version of llv has version {space.version}; use the llv that wrote it or search again.'
        )
    _check_candidates(edges, space, source)


def _part(parts: Mapping[str, Mapping[str, Any]], module: str, source: str) -> Mapping[str, Any]:
    """The genotype of a kind of module among several."""
    places = [place for place, part in parts.items() if part['module'] == module]
    if not places:
        kinds = _listed(dict.fromkeys(str(part['module']) for part in parts.values()))
        raise ValueError(f'{source} holds no genotype of a `{module}`, only of {kinds}.')
    if len({json.dumps(parts[place]['edges'], sort_keys=True) for place in places}) > 1:
        raise ValueError(
            f'{source} holds {len(places)} genotypes of a `{module}`, at {_listed(places)}; give one of them.'
        )
    return parts[places[0]]


def _from_names(
    names: Sequence[str], module: str, space: SearchSpace, edges: Sequence[str]
) -> dict[str, str]:
    if len(names) != len(edges):
        raise ValueError(
            f'A genotype of this `{module}` has {len(edges)} names ({", ".join(edges)}), but got {list(names)!r}.'
        )
    chosen = dict(zip(edges, names, strict=True))
    if space == LOW_LEVEL:  # cells written by hand may hold any operation of the table
        for name in names:
            check_operation(name)
    else:
        _check_candidates(chosen, space, '`genotype`')
    return chosen


def _check_candidates(edges: Mapping[str, Any], space: SearchSpace, source: str) -> None:
    for edge, candidate in edges.items():
        if candidate not in space.candidates:
            raise ValueError(
                f'{source} has {candidate!r} on the edge `{edge}`, which is no candidate of the space `{space.name}`; '
                f'choose from {", ".join(space.candidates)}.'
            )


def _inner(source: str) -> str:
    return source[0].lower() + source[1:]


def _listed(names: Iterable[str]) -> str:
    return ', '.join(f'`{name}`' for name in names)
