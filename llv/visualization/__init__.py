"""Reports, curves and pictures of genotypes."""

from .curves import plot_curves, read_scalars
from .genotypes import plot_cell, plot_choices
from .report import Box, HtmlReport, Tile

__all__ = [
    'Box',
    'HtmlReport',
    'Tile',
    'plot_cell',
    'plot_choices',
    'plot_curves',
    'read_scalars',
]
