"""The tutorials run, at toy size, and their pages show their code."""

import re
import runpy
from pathlib import Path

import pytest
from docs_commands import commands
from new_parts import linked, run_command
from PIL import Image

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / 'demo' / 'tutorials').glob('*.py'))
SCRIPTS = [path for path in SCRIPTS if path.name != 'render.py']
RENDER = runpy.run_path(str(ROOT / 'demo' / 'tutorials' / 'render.py'))


def page_of(script):
    return (ROOT / 'docs' / 'tutorials' / f'{script.stem}.md').read_text(encoding='utf-8')


def without_output(page):
    return re.sub(r'```text\n.*?\n```\n\n?', '', page, flags=re.DOTALL)


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.stem)
def test_the_page_shows_the_code_and_the_words_of_the_script(script):
    page = without_output(page_of(script))
    position = 0
    for title, text in RENDER['cells'](script):
        shown = re.sub('^# ?', '', text, flags=re.MULTILINE)
        found = page.find(shown if title == '[markdown]' else f'```python\n{text}\n```', position)
        assert found >= 0, text.splitlines()[0]
        position = found
    figures = re.findall(r'!\[[^]]*\]\((figures/[^)]+)\)', page)
    for figure in figures:
        assert (ROOT / 'docs' / 'tutorials' / figure).stat().st_size < 100_000


def test_a_night_photograph(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    page, names = RENDER['run'](
        ROOT / 'demo' / 'tutorials' / 'photograph.py', dict(folder=str(tmp_path))
    )
    # nothing is random: the page has what comes out, but for the last digit
    printed = re.findall(r'(\w+) +mean +([\d.]+)', page)
    for (name, value), (kept, shown) in zip(
        printed, re.findall(r'(\w+) +mean +([\d.]+)', page_of(Path('photograph.py'))), strict=True
    ):
        assert name == kept and float(value) == pytest.approx(float(shown), abs=1)
    height, width = names['night'].shape[:2]
    with Image.open(tmp_path / 'photograph.jpg') as sheet:
        assert sheet.size == (4 * width, height)
    assert (tmp_path / 'photograph_map.jpg').is_file()
    assert names['lit'].mean() > 1.5 * names['night'].mean()


def test_a_photograph_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    Image.new('RGB', (20, 12), (9, 8, 7)).save(tmp_path / 'mine.png')
    settings = dict(photograph=str(tmp_path / 'mine.png'), folder=str(tmp_path))
    page, names = RENDER['run'](ROOT / 'demo' / 'tutorials' / 'photograph.py', settings)
    assert names['lit'].shape == (12, 20, 3) and '(12, 20, 3) uint8' in page


def test_write_and_judge_an_enhancer(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = dict(steps='4', size='32', test='5', folder=str(tmp_path))
    page, names = RENDER['run'](ROOT / 'demo' / 'tutorials' / 'enhancer.py', settings)
    assert names['night'].shape == (5, 3, 32, 32)
    assert set(names['lit']) == set(names['candidates'])
    scores = re.findall(r'^\S.*? +([\d.]+) ± ([\d.]+) dB   SSIM ([\d.]+)$', page, re.MULTILINE)
    assert len(scores) == len(names['candidates'])
    assert (tmp_path / 'enhancer.jpg').is_file()


def test_a_detector_after_dark(tmp_path, monkeypatch):
    pytest.importorskip('mmdet')
    monkeypatch.chdir(linked(tmp_path))
    settings = dict(scenes=dict(train=8, adapt=4, val=4), by_day=2, by_night=2)
    page, names = RENDER['run'](ROOT / 'demo' / 'tutorials' / 'detector.py', settings)
    assert len(re.findall(r': +\d+\.\d$', page, re.MULTILINE)) == 6
    # what was adapted started from the day detector and lies there with its enhancer
    import torch

    root = tmp_path / 'work_dirs' / 'tutorials' / 'detector'
    weights = torch.load(root / 'hierarchical' / 'last.pth', weights_only=False)
    keys = [key for key in weights['state_dict'] if key.startswith('data_preprocessor.enhancer.')]
    assert keys
    assert str(names['night'].load_from).endswith('day/last.pth')
    with Image.open(root / 'detector.jpg') as sheet:
        assert sheet.size == (3 * 192, 2 * 192)
    # the commands between find what the script has left
    typed = [command for command in commands(page) if command[1].startswith('tools/')]
    assert [command[1] for command in typed] == ['tools/test.py', 'tools/train.py', 'tools/test.py']
    for command in typed:
        assert run_command(command, tmp_path, monkeypatch) == 0


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match='`photograph.py` has no setting `fodler`'):
        RENDER['run'](ROOT / 'demo' / 'tutorials' / 'photograph.py', dict(fodler='x'))
