"""The options of an enhancer that the page lets one set."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llv.models.enhancers.histogram_equalization import CHANNELS
from llv.models.enhancers.ruas import VERSIONS

from .choices import Choice


@dataclass(frozen=True)
class Control:
    """How one option is set.

    Attributes:
        option: Argument of the enhancer.
        default: Its value where nobody touches the control.
        about: What it does, in a few words.
        low, high, step: Range of a slider; None for anything else.
        choices: Values to choose from; empty for anything else.
    """

    option: str
    default: Any
    about: str = ''
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple = ()


# of llv's own, those that change the result of a picture; the others belong to the weights or to training
_KNOWN = {
    'channel': dict(about='Brightness channel that is changed', choices=CHANNELS),
    'clip_limit': dict(about='Limit of the contrast', low=0.5, high=16, step=0.5),
    'estimate_scale': dict(
        about='Size of the picture the maps are estimated on; 1 is the published network',
        low=0.05,
        high=1,
        step=0.05,
    ),
    'gain': dict(about='Factor on every pixel', low=0.5, high=32, step=0.5),
    'gamma': dict(about='Power on every pixel; below 1 it lights', low=0.1, high=2, step=0.05),
    'mode': dict(about='Interpolation', choices=('nearest', 'bilinear', 'bicubic')),
    'per_channel': dict(about='One gain for each channel, which also removes a colour cast'),
    'scale': dict(about='Size of the result over that of the picture', low=1, high=4, step=1),
    'target': dict(about='Mean to reach', low=0.05, high=1, step=0.05),
    'version': dict(about='What runs behind the scene module', choices=VERSIONS),
}
_SIMPLE = (float, int, bool, str)


def controls_of(choice: Choice) -> tuple[Control, ...]:
    """The controls of an enhancer, in the order of its arguments.

    Of llv's own enhancers these are the main options; of an enhancer from elsewhere all whose default is a number, a
    text or a truth value. Those that the weights settle (default None) are left to them.
    """
    is_own = choice.kind.__module__.startswith('llv.')
    found = []
    for name, parameter in inspect.signature(choice.kind).parameters.items():
        default = choice.cfg.get(name, parameter.default)
        if name != 'weights' and type(default) in _SIMPLE and (name in _KNOWN or not is_own):
            found.append(Control(name, default, **(_KNOWN.get(name, {}) if is_own else {})))
    return tuple(found)


def changed(controls: Sequence[Control], values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the values on the page, those that differ from the defaults, each in the type of its default."""
    given = {}
    for control in controls:
        value = values.get(control.option)
        if value is None:  # a field that was emptied
            continue
        if type(control.default) is float:
            value = float(value)
        elif type(control.default) is int:
            value = int(value)
        if value != control.default:
            given[control.option] = value
    return given
