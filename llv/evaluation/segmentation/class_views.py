"""Which classes a published mean is over.

Papers that name one data set average over different classes of it, so their figures do not compare. A view is the
list of classes of one such mean. It filters figures, not outputs: a model keeps its 19 classes, and a pixel that it
calls a bus stays a mistake for the class that it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from llv.utils.label_maps import CITYSCAPES_LABEL_IDS

CITYSCAPES_CLASSES = tuple(CITYSCAPES_LABEL_IDS)


def _without(*left_out: str) -> tuple[str, ...]:
    return tuple(name for name in CITYSCAPES_CLASSES if name not in left_out)


CLASS_VIEWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict(
        # the benchmark's own
        acdc_night_19=CITYSCAPES_CLASSES,
        # RUAS (journal version): the classes that its table prints
        acdc_night_17=_without('truck', 'bus'),
        # IAT, and FRBNet after it
        acdc_night_15=_without('rider', 'truck', 'bus', 'motorcycle'),
    )
)


def get_view(name: str) -> tuple[str, ...]:
    """The classes of a named view.

    Raises:
        ValueError: There is no such view.
    """
    if name not in CLASS_VIEWS:
        raise ValueError(
            f'`{name}` is no class view; known are {_listed(CLASS_VIEWS)}, and others are given as '
            '`{name: [classes]}`.'
        )
    return CLASS_VIEWS[name]


def get_views(
    views: str | Sequence[str] | Mapping[str, Sequence[str]],
) -> dict[str, tuple[str, ...]]:
    """Views by name, from names of :data:`CLASS_VIEWS` or from one's own lists of classes.

    Raises:
        ValueError: A view is not known, or has no classes or one of them twice.
    """
    if isinstance(views, Mapping):
        found = {name: tuple(classes) for name, classes in views.items()}
    else:
        names = (views,) if isinstance(views, str) else tuple(views)
        found = {name: get_view(name) for name in names}
    for name, classes in found.items():
        check_list(classes, f'the class view `{name}`')
    return found


def get_classes(classes: str | Sequence[str]) -> tuple[str, ...]:
    """Classes to take a mean over: the name of a view, or their own names.

    Raises:
        ValueError: The view is not known, or there is no class or one of them twice.
    """
    found = get_view(classes) if isinstance(classes, str) else tuple(classes)
    return check_list(found, '`classes_to_report`')


def check_list(classes: tuple[str, ...], owner: str) -> tuple[str, ...]:
    """The classes, if there are some and each once.

    Raises:
        ValueError: Otherwise.
    """
    if not classes or len(set(classes)) < len(classes):
        raise ValueError(f'Name the classes of {owner} once each, at least one; got {classes}.')
    return classes


def check_known(
    classes: Sequence[str], known: Sequence[str], owner: str, knower: str = 'the data set'
) -> None:
    """See that some classes are among others.

    Args:
        classes: What is asked for.
        known: The classes that there are.
        owner: Who asks, for the message.
        knower: Whose classes they are, for the message.

    Raises:
        ValueError: One of them is missing.
    """
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise ValueError(
            f'{owner} names {_listed(unknown)}, which {knower} does not have; its classes are {_listed(known)}.'
        )


def mean_over(values: Mapping[str, float], classes: Sequence[str]) -> float | None:
    """The plain mean over the classes of a view, as the papers average.

    Args:
        values: By class; NaN, or no entry, for an absent one, which is left out.
        classes: Those to average.

    Returns:
        The mean, None where all are absent.

    >>> mean_over({'road': 90.0, 'sky': 80.0, 'bus': float('nan')}, ['road', 'sky', 'bus'])
    85.0
    """
    present = [values[name] for name in classes if not math.isnan(values.get(name, math.nan))]
    return sum(present) / len(present) if present else None


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ', '.join(f'`{name}`' for name in names)
