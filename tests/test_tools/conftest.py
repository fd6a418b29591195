"""Runs tools inside the test's own process: starting one costs seconds."""

import importlib.util
import sys
from pathlib import Path

import pytest
from mmengine.logging import MMLogger

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests' / 'test_engine'))


@pytest.fixture
def call_tool(monkeypatch, capsys):
    """Calls a tool as the command line would; returns its exit status and what it wrote to stderr."""
    from llv.utils.errors import friendly_errors

    def call(name, *arguments):
        spec = importlib.util.spec_from_file_location(f'tool_{name}', ROOT / 'tools' / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        MMLogger._instance_dict.clear()  # they write to a stream that is closed by now
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            with friendly_errors():
                module.main()
        except SystemExit as error:
            status = error.code
        return status, capsys.readouterr().err

    return call
