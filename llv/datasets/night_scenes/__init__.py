"""Synthetic night scenes: pictures drawn by a seeded generator, not photographs."""

from .render import (
    Conditions,
    Light,
    draw_conditions,
    illumination_map,
    linear_to_srgb,
    render_night,
    render_signal,
    srgb_to_linear,
)
from .scene import CLASSES, GENERATOR_VERSION, PALETTE, NightScenes, Scene
from .writer import write_night_scenes

__all__ = [
    'CLASSES',
    'GENERATOR_VERSION',
    'PALETTE',
    'Conditions',
    'Light',
    'NightScenes',
    'Scene',
    'draw_conditions',
    'illumination_map',
    'linear_to_srgb',
    'render_night',
    'render_signal',
    'srgb_to_linear',
    'write_night_scenes',
]
