"""The page on the web page: what it says holds."""

import re

from docs_commands import ROOT, commands

from llv.apis.app.choices import offered
from llv.apis.app.pictures import DISPLAY_SIDE

PAGE = ROOT / 'docs' / 'app.md'
TEXT = PAGE.read_text(encoding='utf-8')


def test_the_enhancers_of_the_command_are_offered():
    (command,) = (command for command in commands(TEXT) if '--enhancers' in command)
    rest = command[command.index('--enhancers') + 1 :]
    names = rest[: next((n for n, word in enumerate(rest) if word.startswith('--')), None)]
    assert len(offered(names)) == len(names)


def test_the_page_shows_a_detector_and_the_screenshot_with_the_command_that_made_it():
    words = commands(TEXT)
    assert any('--detector' in command for command in words)
    (screenshot,) = (command for command in words if '--screenshot' in command)
    figure, maps = (PAGE.parent / name for name in re.findall(r'!\[.+?\]\((.+?)\)', TEXT))
    assert figure == ROOT / screenshot[-1] and maps == figure.with_stem(f'{figure.stem}_maps')
    assert figure.is_file() and maps.is_file()


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
