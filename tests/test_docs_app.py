"""The page on the web page: its commands parse, and what it says holds."""

import re

import pytest
from docs_commands import ROOT, check_command, commands, commands_of, title

from llv.apis.app.choices import offered
from llv.apis.app.pictures import DISPLAY_SIDE

PAGE = ROOT / 'docs' / 'app.md'
TEXT = PAGE.read_text(encoding='utf-8')


@pytest.mark.parametrize('command', commands_of([PAGE]), ids=title)
def test_command_of_the_page_parses_and_its_enhancers_are_offered(command, monkeypatch):
    check_command(command, monkeypatch)
    if '--enhancers' in command:
        rest = command[command.index('--enhancers') + 1 :]
        names = rest[: next((n for n, word in enumerate(rest) if word.startswith('--')), None)]
        assert len(offered(names)) == len(names)


def test_the_page_shows_a_detector_and_the_screenshot_with_the_command_that_made_it():
    words = commands(TEXT)
    assert any('--detector' in command for command in words)
    (screenshot,) = (command for command in words if '--screenshot' in command)
    (figure,) = re.findall(r'!\[.+?\]\((.+?)\)', TEXT)
    assert PAGE.parent / figure == ROOT / screenshot[-1]
    assert (PAGE.parent / figure).is_file()


def test_sizes_and_order_on_the_page_are_those_of_the_code():
    assert f'more than {DISPLAY_SIDE} pixels' in TEXT
    order = [
        'packaged' if choice.row is not None and choice.row.is_packaged else
        'published' if choice.row is not None else
        'plain' if choice.is_trained else 'untrained'
        for choice in offered()
    ]  # fmt: skip
    assert list(dict.fromkeys(order)) == ['packaged', 'plain', 'published', 'untrained']
    assert order == sorted(order, key=['packaged', 'plain', 'published', 'untrained'].index)
