"""The README quotes what the demo wrote, and names only files that exist."""

import json
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_the_results_are_those_of_the_kept_summary():
    arms = json.loads((ROOT / 'docs' / 'demo_summary.json').read_text(encoding='utf-8'))['arms']
    section = README.split('## What the demo measures')[1].split('## ')[0]
    rows = [
        line.split('|')[2:-1]
        for line in section.splitlines()
        if re.match(r'\| [^|]*[^| ][^|]*\| \d', line)
    ]
    assert len(rows) == len(arms)
    for (mean, ap50, seeds, gap), arm in zip(rows, arms, strict=True):
        assert float(mean) == pytest.approx(100 * arm['mAP'], abs=0.051)
        assert float(ap50) == pytest.approx(100 * arm['AP50'], abs=0.051)
        assert float(gap.replace('%', '')) == pytest.approx(100 * arm['recovered'], abs=0.51)
        quoted = [float(value) for value in seeds.split('/') if value.strip()]
        measured = [100 * run['AP50'] for run in arm['seeds']]
        assert quoted == pytest.approx(measured if len(measured) > 1 else [], abs=0.051)


@pytest.mark.parametrize(
    'page',
    [
        path
        for path in [
            *ROOT.glob('*.md'),
            *ROOT.glob('docs/**/*.md'),
            *ROOT.glob('configs/**/*.md'),
        ]
    ],
    ids=str,
)
def test_links_and_named_files_exist(page):
    text = page.read_text(encoding='utf-8')
    links = [link for link in re.findall(r'\]\(([^)#]+)\)', text) if '://' not in link]
    commands = re.findall(r'(?:python|bash) ((?:tools|demo)/\S+\.(?:py|sh))', text)
    commands += re.findall(r'configs/\w+/[\w.-]+\.py', text)
    for link in links:
        assert (page.parent / link).exists(), link
    for file in commands:
        assert (ROOT / file).is_file(), file


RECIPES = json.loads((ROOT / 'docs' / 'recipes.json').read_text(encoding='utf-8'))


@pytest.mark.parametrize('row', RECIPES['tables']['recipes'], ids=lambda row: row['name'])
def test_pages_show_the_kept_results_of_the_recipes(row):
    arms = json.loads((ROOT / 'configs/night_scenes/recipes.json').read_text(encoding='utf-8'))
    arm = next(arm for arm in arms['recipes'] if arm['name'] == row['name'])
    assert len(arm.get('seeds', [0])) == row['seeds']
    pages = [ROOT / 'docs' / 'recipes.md']
    folder = Path(arm['config']).parent.name
    if folder not in ('psenet', 'ruas'):  # their pages have tables of their own
        pages.append(ROOT / 'configs' / folder / 'README.md')
    for page in pages:
        lines = [
            line for line in page.read_text(encoding='utf-8').splitlines() if row['name'] in line
        ]
        assert any(f'{row["psnr"]:.2f}' in line and f'{row["ssim"]:.3f}' in line for line in lines)


STUDY = json.loads((ROOT / 'docs' / 'label_efficiency.json').read_text(encoding='utf-8'))
QUOTED = {
    'directly': 'direct',
    'behind `MeanMatch`, which learns nothing': 'MeanMatch',
    'behind PSENet, trained without labels, frozen': 'frozen PSENet',
    'end-to-end with PSENet': 'end-to-end ℓ_t PSENet',
    'hierarchically with PSENet': 'hierarchical PSENet',
    'hierarchically with RUAS': 'hierarchical RUAS',
}


@pytest.mark.parametrize('row', QUOTED)
def test_the_study_is_quoted_as_it_came_out(row):
    means = {(r['arm'], r['axes']['labels']): r['mean'] for r in STUDY['rows']}
    line = next(line for line in README.splitlines() if line.startswith(f'| {row} |'))
    quoted = [float(cell) for cell in line.split('|')[2:-1]]
    assert quoted == pytest.approx([means[QUOTED[row], n] for n in (16, 64, 1024)], abs=0.051)


def test_the_means_of_the_study_are_those_of_its_cells():
    for row in STUDY['rows']:
        cells = [
            record['metrics']['AP50']
            for record in STUDY['records']
            if record['cell']['arm'] == row['arm']
            and record['cell']['labels'] == row['axes']['labels']
        ]
        assert len(cells) == 3
        assert sum(cells) / 3 == pytest.approx(row['mean'])


SEGMENTATION = json.loads(
    (ROOT / 'docs' / 'segmentation_label_efficiency.json').read_text(encoding='utf-8')
)


def test_the_study_of_segmentation_is_quoted_as_it_came_out():
    found = {
        row['axes']['labels']: f'{row["mean"]:.1f} ± {row["half_width"]:.1f}'
        for row in SEGMENTATION['differences']
        if row['arm'] == 'hierarchical PSENet'
    }
    page = (ROOT / 'docs' / 'segmentation_label_efficiency.md').read_text(encoding='utf-8')
    for text in (' '.join(README.split()), page):
        assert all(found[n] in text for n in (16, 64, 256))


def test_the_differences_of_segmentation_are_those_of_its_cells():
    cells = {
        (r['cell']['arm'], r['cell']['labels'], r['cell']['seed']): r['metrics']['mIoU']
        for r in SEGMENTATION['records']
    }
    assert len(cells) == 120
    for row in SEGMENTATION['differences']:
        pairs = [
            cells[row['arm'], row['axes']['labels'], seed]
            - cells['direct', row['axes']['labels'], seed]
            for seed in range(5)
        ]
        assert statistics.mean(pairs) == pytest.approx(row['mean'])
        # Student's t at four degrees of freedom
        half = 2.776445 * statistics.stdev(pairs) / 5**0.5
        assert half == pytest.approx(row['half_width'], rel=1e-6)
