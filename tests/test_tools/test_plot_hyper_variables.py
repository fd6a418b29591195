import cv2
from mmengine.visualization import LocalVisBackend

TOOL = 'analysis_tools/plot_hyper_variables'


def test_a_run_is_drawn(tmp_path, call_tool):
    backend = LocalVisBackend(str(tmp_path / '20260101_000000' / 'vis_data'))
    for step in range(4):
        backend.add_scalars({'loss': 5.0 - step, 'stage': 1, 'hyper/c': 1 + step}, step=step)
    out = tmp_path / 'figures' / 'hyper.svg'
    status, error = call_tool(TOOL, tmp_path, '--out', out)
    assert status == 0, error
    assert '<!-- content 4 -->' in out.read_text()
    status, error = call_tool(TOOL, tmp_path, '--title', 'TriCo', '--out', tmp_path / 'hyper.png')
    assert status == 0, error
    assert cv2.imread(str(tmp_path / 'hyper.png')).std() > 1


def test_mistakes_are_one_sentence(tmp_path, call_tool):
    for arguments, message in (
        ([tmp_path / 'gone', '--out', 'a.png'], 'gone` is not there'),
        ([tmp_path, '--out', 'a.jpg'], 'must end in .png, .svg, .pdf'),
        ([tmp_path, '--out', tmp_path / 'a.png'], 'holds no hyper-variables'),
    ):
        status, error = call_tool(TOOL, *arguments)
        assert status == 2 and message in error and 'Traceback' not in error, error
