"""Reports and curves."""

from .curves import plot_curves, read_scalars
from .report import Box, HtmlReport, Tile

__all__ = ['Box', 'HtmlReport', 'Tile', 'plot_curves', 'read_scalars']
