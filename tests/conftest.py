"""Fixtures for every test."""

from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def reference_dir() -> Path:
    """The folder with official weights, pictures and outputs; not part of the repository."""
    folder = Path(__file__).parents[2] / 'shared' / 'reference'
    if not folder.is_dir():
        pytest.skip('the reference data is not there')
    return folder
