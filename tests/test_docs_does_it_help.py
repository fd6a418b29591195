"""The example of the page on enhancers' use says what its table says."""

import json
import re

from docs_commands import ROOT

PAGE = ROOT / 'docs' / 'does_it_help.md'
TEXT = PAGE.read_text(encoding='utf-8')


def test_the_example_has_a_verdict_for_each_enhancer_of_its_command():
    part = TEXT.split('<!-- begin does-it-help -->')[1].split('<!-- end does-it-help -->')[0]
    command = re.search(r'`(python tools/analysis_tools/does_it_help.py [^`]*)`', part)[1]
    enhancers = command.split('--enhancers ')[1].split(' --')[0].split()
    assert len(enhancers) >= 4
    for enhancer in enhancers:
        (sentence,) = re.findall(rf'^\* `{re.escape(enhancer)}` (.*)$', part, flags=re.MULTILINE)
        rows = re.findall(rf'^\| `{re.escape(enhancer)}` +\|(.*)\|$', part, flags=re.MULTILINE)
        assert len(rows) == 2  # over all pictures, and by their darkness
        cells = [cell.strip() for cell in rows[0].split('|')]
        assert sentence.endswith(f'mAP {cells[1]}.')
        # a verdict agrees with its interval, but for the correction
        low, high = (
            float(v.replace('−', '-')) for v in re.findall(r'\[(\S+), (\S+)\]', cells[1])[0]
        )
        assert {'helps': low > 0, 'hurts': high < 0}.get(cells[-1], True)
        assert sentence.startswith(
            'is not distinguishable' if cells[-1] == 'not distinguishable' else cells[-1]
        )


def test_the_example_has_the_scores_that_the_demo_measured_without_an_enhancer():
    arms = json.loads((ROOT / 'docs' / 'demo_summary.json').read_text(encoding='utf-8'))['arms']
    (arm,) = (arm for arm in arms if arm['key'] == 'zero-shot')
    (row, _) = re.findall(r'^\| none +\|(.*)\|$', TEXT, flags=re.MULTILINE)
    cells = [cell.strip() for cell in row.split('|')]
    assert [cells[0], cells[2]] == [f'{100 * arm[key]:.1f}' for key in ('mAP', 'AP50')]
