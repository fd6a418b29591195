"""Data sets, transforms and synthetic night scenes."""
