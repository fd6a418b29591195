"""Synthetic night scenes: pictures drawn by a seeded generator, not photographs."""

from .exposures import EXPOSURES_VERSION, ExposedScene, NightExposures, write_night_exposures
from .face_writer import write_night_faces
from .faces import FACES_VERSION, FaceScene, NightFaces
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
    'EXPOSURES_VERSION',
    'FACES_VERSION',
    'GENERATOR_VERSION',
    'PALETTE',
    'Conditions',
    'ExposedScene',
    'FaceScene',
    'Light',
    'NightExposures',
    'NightFaces',
    'NightScenes',
    'Scene',
    'draw_conditions',
    'illumination_map',
    'linear_to_srgb',
    'render_night',
    'render_signal',
    'srgb_to_linear',
    'write_night_exposures',
    'write_night_faces',
    'write_night_scenes',
]
