import json

import cv2
import pytest

TOOL = 'analysis_tools/plot_gradient_agreement'


@pytest.fixture
def runs(tmp_path):
    folders = []
    for name, cosine, pictures in (('plain', -0.25, 'x'), ('erl', 0.5, 'x'), ('other', 0, 'y')):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        lines = [dict(iteration=k, cosine=cosine, pictures=pictures) for k in (0, 50, 100)]
        text = ''.join(json.dumps(line) + '\n' for line in lines)
        (folders[-1] / 'gradient_agreement.jsonl').write_text(text)
    return folders


def test_runs_are_drawn_into_one_figure(tmp_path, call_tool, runs):
    out = tmp_path / 'figures' / 'agreement.svg'
    status, error = call_tool(TOOL, *runs[:2], '--labels', 'DRBN', 'DRBN + ERL', '--out', out)
    assert status == 0, error
    text = out.read_text()
    assert '<!-- DRBN (mean -0.250) -->' in text and '<!-- DRBN + ERL (mean 0.500) -->' in text
    both = ['--labels', 'seeds', 'seeds', '--smooth', '2', '--title', 'A title']
    status, error = call_tool(TOOL, *runs[:2], *both, '--out', tmp_path / 'agreement.png')
    assert status == 0, error
    assert cv2.imread(str(tmp_path / 'agreement.png')).std() > 1


def test_mistakes_are_one_sentence(tmp_path, call_tool, runs):
    out = ['--out', tmp_path / 'agreement.png']
    for arguments, message in (
        ([tmp_path / 'gone', *out], 'is not there; train with `llv.GradientAgreementHook`'),
        ([*runs[:2], '--labels', 'one', *out], '`--labels` must name each of the 2 runs'),
        ([*runs, *out], 'were measured on different pictures'),
        ([runs[0], '--out', tmp_path / 'pr.jpg'], 'must end in .png, .svg, .pdf'),
        ([runs[0], '--part', 'head', *out], '`head` was not measured by itself, but no part'),
        ([runs[0], '--smooth', '0', *out], "must be a whole number from 1, but got '0'"),
    ):
        status, error = call_tool(TOOL, *arguments)
        assert status == 2 and message in error and 'Traceback' not in error, error
