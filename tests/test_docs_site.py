"""The documentation site builds without a warning, misses no page, and fetches nothing."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip('mkdocs')
pytest.importorskip('material')
pytest.importorskip('mkdocstrings')

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs'


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without calling what it names."""


Loader.add_multi_constructor('tag:yaml.org,2002:python/', lambda loader, suffix, node: suffix)
CONFIG = yaml.load((ROOT / 'mkdocs.yml').read_text(encoding='utf-8'), Loader)


def in_nav(part):
    if isinstance(part, str):
        return [part]
    values = part.values() if isinstance(part, dict) else part
    return [page for value in values for page in in_nav(value)]


NAV = in_nav(CONFIG['nav'])


def test_every_page_is_in_the_nav_once():
    pages = {p.relative_to(DOCS).as_posix() for p in DOCS.rglob('*.md') if '_site' not in p.parts}
    pages |= {p.relative_to(ROOT).as_posix() for p in (ROOT / 'configs').rglob('README.md')}
    assert len(set(NAV)) == len(NAV)
    assert set(NAV) == pages


def public_definitions(file):
    kinds = (ast.ClassDef, ast.FunctionDef)
    body = ast.parse(file.read_text(encoding='utf-8')).body
    return [
        node.name
        for node in body
        if isinstance(node, kinds)
        and not node.name.startswith('_')
        and ast.get_docstring(node) is not None
    ]


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The built site."""
    folder = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=dict(PATH='', NO_MKDOCS_2_WARNING='1', HOME=str(folder)),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'WARNING' not in done.stderr
    return folder


def test_the_site_builds_without_a_warning(site):
    for page in NAV:
        name = re.sub(r'(README|index)\.md$', 'index.md', page)
        assert (site / name).with_suffix('.html').is_file(), page


def test_links_of_the_site_lead_to_files_of_the_site(site):
    broken = []
    for page in site.rglob('*.html'):
        if page.name == '404.html':  # its links are absolute
            continue
        text = page.read_text(encoding='utf-8')
        for link in re.findall(r'(?:href|src)="([^"#]+)', text):
            if '://' not in link and not link.startswith(('data:', 'mailto:')):
                if not (page.parent / link.partition('?')[0]).exists():
                    broken.append((page.relative_to(site), link))
    assert not broken


def test_the_site_fetches_nothing(site):
    loads = r'<(?:script|img|link(?![^>]*rel="canonical"))\b[^>]*(?:src|href)="(?:https?:)?//'
    for page in site.rglob('*.html'):
        assert not re.search(loads, page.read_text(encoding='utf-8')), page.name
    for style in site.rglob('*.css'):
        text = style.read_text(encoding='utf-8')
        assert not re.search(r'(?:@import|url\()\s*["\']?(?:https?:)?//', text), style.name


@pytest.mark.parametrize(
    'page, package',
    [
        ('enhancers', 'llv/models/enhancers'),
        ('losses', 'llv/models/losses'),
        ('preprocessor', 'llv/models/data_preprocessors'),
        ('hooks', 'llv/engine/hooks'),
        ('loops', 'llv/engine/loops'),
        ('datasets', 'llv/datasets/detection'),
        ('datasets', 'llv/datasets/segmentation'),
        ('datasets', 'llv/datasets/enhancement'),
        ('transforms', 'llv/datasets/transforms'),
        ('metrics', 'llv/evaluation'),
        ('apis', 'llv/apis'),
        ('search', 'llv/search'),
        ('visualization', 'llv/visualization'),
        ('visualization', 'llv/testing'),
    ],
)
def test_the_reference_holds_everything_public(site, page, package):
    text = (site / 'api' / f'{page}.html').read_text(encoding='utf-8')
    for file in (ROOT / package).rglob('*.py'):
        if file.name.startswith('_'):
            continue
        module = '.'.join(file.relative_to(ROOT).with_suffix('').parts)
        for name in public_definitions(file):
            assert f'id="{module}.{name}"' in text, f'{module}.{name}'


def test_docstrings_are_shown_without_sphinx_roles(site):
    text = (site / 'api' / 'apis.html').read_text(encoding='utf-8')
    assert 'llv.apis.init_enhancer' in text
    assert not re.search(r':(?:func|class|meth):', text)
    # sections of google style are recognised
    for section in ('Parameters', 'Raises', 'Examples'):
        assert f'doc-section-title">{section}' in text


def test_code_that_a_page_links_to_is_in_the_site(site):
    text = (site / 'zoo.html').read_text(encoding='utf-8')
    assert 'href="configs/psenet/psenet_sice.py"' in text
    source = ROOT / 'configs' / 'psenet' / 'psenet_sice.py'
    assert (site / 'configs/psenet/psenet_sice.py').read_bytes() == source.read_bytes()


def test_requirements_name_what_the_site_is_made_with():
    text = (ROOT / 'requirements' / 'docs.txt').read_text(encoding='utf-8')
    for name in ('mkdocs', 'mkdocs-material', 'mkdocstrings'):
        assert re.search(rf'^{name}[\[>]', text, re.MULTILINE)
