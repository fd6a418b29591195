"""Every example in a docstring of llv runs and prints what it says."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
MODULES = [
    '.'.join(file.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
    for file in sorted((ROOT / 'llv').rglob('*.py'))
    if re.search(r'^ *>>> ', file.read_text(encoding='utf-8'), re.MULTILINE)
]


# what an example takes as given: names of the user's own program
GIVEN = {
    'llv.utils.errors.friendly_errors': dict(main=lambda: None),
    'llv.search.derivation.discretized': dict(
        model=torch.nn.Conv2d(3, 3, 1), images=torch.rand(1, 3, 4, 4)
    ),
}


class Checker(doctest.OutputChecker):
    """Compares numbers of numpy by value: version 2 prints their type, version 1 does not."""

    def check_output(self, want, got, optionflags):
        got = re.sub(r'np\.(True|False)_', r'\1', got)
        got = re.sub(r'np\.\w+\(([-\d.e]+)\)', r'\1', got)
        return super().check_output(want, got, optionflags)


def examples(name):
    found = doctest.DocTestFinder().find(importlib.import_module(name), name)
    return [test for test in found if test.examples]


@pytest.mark.parametrize('name', MODULES)
def test_examples_of_a_module_run(name, tmp_path, monkeypatch):
    for package in ('mmdet', 'mmseg'):
        source = Path(importlib.util.find_spec(name).origin).read_text(encoding='utf-8')
        if re.search(rf'^from {package}', source, re.MULTILINE):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    tests = examples(name)
    assert tests, 'an example stands where doctest does not look'
    torch.manual_seed(0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(Checker(), optionflags=flags)
    for test in tests:
        test.globs.update(GIVEN.get(test.name, {}))
        report = []
        runner.run(test, out=report.append)
        assert not runner.summarize(verbose=False).failed, ''.join(report)
