import cv2
import numpy as np
import pytest

from llv.evaluation.detection.curves import Curve, write_curves

TOOL = 'analysis_tools/plot_curves'


@pytest.fixture
def runs(tmp_path):
    files = []
    for name, ap in (('dark', 0.2), ('lit', 0.6)):
        curve = Curve(np.array([0.1, ap]), np.array([1, 0.5]), np.array([0.9, 0.1]), ap)
        files.append(tmp_path / f'{name}.json')
        write_curves(files[-1], 'pr', '', dict(face=curve))
    return files


def test_runs_are_drawn_into_one_figure(tmp_path, call_tool, runs):
    out = tmp_path / 'figures' / 'pr.svg'
    status, error = call_tool(TOOL, *runs, '--labels', 'no light', 'RUAS', '--out', out)
    assert status == 0, error
    text = out.read_text()
    assert '<!-- no light (0.200) -->' in text and '<!-- RUAS (0.600) -->' in text
    status, error = call_tool(TOOL, *runs, '--classes', 'face', '--out', tmp_path / 'pr.png')
    assert status == 0, error
    assert cv2.imread(str(tmp_path / 'pr.png')).std() > 1


def test_mistakes_are_one_sentence(tmp_path, call_tool, runs):
    out = ['--out', tmp_path / 'pr.png']
    for arguments, message in (
        ([tmp_path / 'gone.json', *out], 'gone.json'),
        ([*runs, '--labels', 'one', *out], '`--labels` must name each of the 2 files'),
        ([runs[0], runs[0], *out], 'share a name'),
        ([*runs, '--out', tmp_path / 'pr.jpg'], 'must end in .png, .svg, .pdf'),
        ([*runs, '--classes', 'Cat', *out], 'No run has a curve of `Cat`'),
        ([*runs, '--max-x', '0', *out], "must be a number above 0, but got '0'"),
        ([*runs, '--max-x', 'nan', *out], 'must be a number above 0'),
    ):
        status, error = call_tool(TOOL, *arguments)
        assert status == 2 and message in error and 'Traceback' not in error, error
