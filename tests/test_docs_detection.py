"""The page on detection has a command for each figure, and pages of folders their configs."""

import pytest
from docs_commands import ROOT, configs_off_their_page

PAGE = ROOT / 'docs' / 'detection.md'
FOLDERS = [ROOT / 'configs' / name for name in ('dark_face', 'fddb', 'wider_face')]
FOLDERS.append(ROOT / 'configs' / 'night_scenes' / 'faces')


def test_the_page_shows_a_command_for_each_figure_of_the_papers():
    text = PAGE.read_text(encoding='utf-8')
    figures = [
        line for line in text.splitlines() if '| not run |' in line and '| ours |' not in line
    ]
    bare = [line for line in figures if 'python tools/' not in line]
    # twelve classes of one run; the back-bones that differ in a name from one with commands
    assert [line.split('|')[1].strip() for line in bare] == ['VGG-16', 'ResNet-101', 'ResNet-152']
    assert len(figures) >= 24


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: folder.name)
def test_every_detector_config_is_on_the_page_of_its_folder(folder):
    assert configs_off_their_page(folder) == []
