"""The page on photographs and videos says what the tool does."""

import re

from docs_commands import ROOT

from llv.apis.enhancers import registered_enhancers
from llv.apis.video import CONTAINERS, CRF, VIDEO_SUFFIXES
from llv.models.enhancers import MapBasedEnhancer

PAGE = ROOT / 'docs' / 'enhance.md'
TEXT = ' '.join(PAGE.read_text(encoding='utf-8').split())


def test_the_suffixes_and_the_quality_of_videos_are_those_of_the_code():
    listed = re.search(r'known as videos by their suffix \(([^)]+)\)', TEXT)[1]
    assert set(listed.split(', ')) == VIDEO_SUFFIXES
    written = re.search(r'\(yuv420p, 8 bits\) into ([^)]+?) files as they came', TEXT)[1]
    assert set(re.split(', | and ', written)) == set(CONTAINERS)
    assert f'{CRF} by default' in TEXT


def test_the_enhancers_that_can_be_smoothed_are_those_of_the_code():
    listed = re.search(r'enhancers that predict maps: ([^.]+)\.', TEXT)[1]
    able = {
        kind.__name__
        for kind in registered_enhancers().values()
        if issubclass(kind, MapBasedEnhancer) and kind.__module__.startswith('llv.')
    }
    assert {name.strip('`') for name in listed.split(', ')} == able
