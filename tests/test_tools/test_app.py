"""The web page of tools/app.py, used in a headless browser as a person would."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('gradio', reason='gradio is not installed')
pytest.importorskip('playwright', reason='playwright is not installed')
from llv.apis import enhance, init_enhancer  # noqa: E402
from llv.apis.app.screenshot import SIZE, find_browser, open_browser, open_page  # noqa: E402
from llv.utils.pictures import read_picture, write_picture  # noqa: E402

if find_browser() is None:
    pytest.skip('there is no Chromium or Chrome', allow_module_level=True)

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'app.py'
FIGURE = ROOT / 'docs' / 'figures' / 'app.png'
PATIENCE = 300  # seconds to start
# every address that the process asks for or connects to, beside this machine's own, goes to a file and is refused
WATCHED = """
import runpy, sys

def watch(event, args):
    if event in ('socket.connect', 'socket.getaddrinfo'):
        host = args[1] if event == 'socket.connect' else args[0]
        host = host[0] if isinstance(host, tuple) else host
        if host not in ('127.0.0.1', 'localhost', None):
            with open({asked!r}, 'a') as file:
                print(event, host, file=file)
            raise OSError('there is no network')

sys.addaudithook(watch)
runpy.run_path({tool!r}, run_name='__main__')
"""


class Server:
    """The tool in a process of its own."""

    def __init__(self, folder):
        self.temporary = folder / 'tmp'
        self.temporary.mkdir()
        self.asked = folder / 'app.asked'
        self._output = folder / 'app.out'
        start = folder / 'start.py'
        start.write_text(WATCHED.format(asked=str(self.asked), tool=str(TOOL)))
        environment = dict(
            os.environ, TMPDIR=str(self.temporary), XDG_CACHE_HOME=str(folder / 'cache')
        )
        with self._output.open('w') as output:
            self.process = subprocess.Popen(
                [sys.executable, start, '--port', '0'],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environment,
            )
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r'The page is at (http://\S+)', self.output)):
            assert self.process.poll() is None and time.monotonic() < end, self.output
            time.sleep(0.2)
        self.address = found[1]

    @property
    def output(self):
        return self._output.read_text()

    def stop(self, how):
        """The exit status after a signal."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp('app'))
    yield server
    # a kill, and all pictures go with it
    status = server.stop(signal.SIGTERM)
    assert (status, list(server.temporary.glob('llv-app-*'))) == (0, [])


@pytest.fixture(scope='module')
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(server, browser):
    page = open_page(browser, server.address)
    yield page
    page.close()


@pytest.fixture
def dark(tmp_path):
    """A dark picture file, 48 × 64."""
    picture = np.random.default_rng(0).integers(0, 50, (48, 64, 3), dtype=np.uint8)
    write_picture(tmp_path / 'walk at night.png', picture)
    return tmp_path / 'walk at night.png'


def drop(page, file):
    page.locator('#picture input[type=file]').set_input_files(file)
    page.locator('#picture img').wait_for(state='attached')


def choose(page, name):
    about = page.locator('#about').inner_text()
    page.locator('#enhancer input').fill(name)
    page.keyboard.press('Enter')
    page.wait_for_function('text => document.querySelector("#about").innerText !== text', arg=about)


def press(page):
    """Light, and return what the page says of it."""
    before = page.locator('#status').inner_text()
    page.locator('#press').click()
    page.wait_for_function(
        'before => document.querySelector("#status").innerText !== before', arg=before
    )
    return page.locator('#status').inner_text()


def wait_for_both(page):
    """Until both sides of the slider are loaded; an image stands in the page before its pixels do."""
    page.wait_for_function(
        """() => {
            const shown = [...document.querySelectorAll('#slider img')];
            return shown.length === 2 && shown.every(one => one.complete && one.naturalWidth > 0);
        }"""
    )


def download(page, folder):
    with page.expect_download() as delivered:
        page.locator('#file').click()
    file = folder / delivered.value.suggested_filename
    delivered.value.save_as(file)
    return file


@pytest.mark.parametrize('name', ['psenet-night-scenes', 'MeanMatch'])
def test_a_dropped_picture_comes_back_as_enhance_makes_it(page, dark, tmp_path, name):
    drop(page, dark)
    if name != 'psenet-night-scenes':  # which is chosen at the start
        choose(page, name)
    said = press(page)
    assert re.search(r'64 × 48 pixels\s*lit in \d+ ms on cpu\s*mean level 10 % to \d+ %', said)
    wait_for_both(page)
    sizes = page.locator('#slider img').evaluate_all(
        'all => all.map(one => [one.naturalWidth, one.naturalHeight])'
    )
    assert sizes == [[64, 48], [64, 48]]
    file = download(page, tmp_path / 'got')
    assert file.name == f'walk at night_{name}.png'
    np.testing.assert_array_equal(read_picture(file), enhance(init_enhancer(name), dark))
    page.get_by_role('tab', name='Maps').click()
    if name == 'MeanMatch':
        page.get_by_text('This enhancer has no maps to show.').wait_for()
    else:
        assert re.search(r'gamma, [\d.]+ to [\d.]+', page.locator('#maps').inner_text())


def test_an_option_reaches_the_enhancer_and_a_large_picture_is_shrunk_on_the_page_only(
    page, tmp_path
):
    file = tmp_path / 'large.png'
    cv2.imwrite(str(file), np.random.default_rng(1).integers(0, 9, (30, 1600, 3), dtype=np.uint8))
    drop(page, file)
    choose(page, 'FixedGain')
    field = page.locator('#option-gain input[type=number]')
    field.fill('20')
    field.blur()
    assert '1600 × 30 pixels' in press(page)
    wait_for_both(page)
    widths = page.locator('#slider img').evaluate_all('all => all.map(one => one.naturalWidth)')
    assert widths == [1280, 1280]
    np.testing.assert_array_equal(
        read_picture(download(page, tmp_path / 'got')), 20 * read_picture(file)
    )


def test_mistakes_are_said_in_one_sentence_and_the_next_picture_is_lit(page, dark, tmp_path):
    assert press(page) == 'There is no picture yet; drop one or take an example.'
    (tmp_path / 'words.png').write_text('no picture')
    drop(page, tmp_path / 'words.png')
    assert press(page) == (
        'words.png is no picture, or it is truncated or damaged; fetch or save it again.'
    )
    assert page.locator('#status code').inner_text() == 'words.png'
    assert page.locator('#slider img').count() == 0
    page.locator('#picture').get_by_role('button', name=re.compile('clear|remove', re.I)).click()
    drop(page, dark)
    torch.save(init_enhancer('ruas').state_dict(), tmp_path / 'ruas.pth')
    page.locator('#weights button').first.click()
    page.locator('#weights input[type=file]').set_input_files(tmp_path / 'ruas.pth')
    page.locator('#weights').get_by_text('ruas').first.wait_for()
    said = press(page)
    assert said.startswith('ruas.pth holds the weights of another network than this PSENet')
    assert said.count('.pth') == 1 and '/' not in said
    choose(page, 'ruas-night-scenes')  # which takes the file away
    assert 'lit in' in press(page)


def test_what_is_missing_is_marked_and_the_page_says_how_to_show_a_detector(page):
    page.locator('#enhancer input').click()
    titles = page.get_by_role('option').all_inner_texts()
    titles = [title.removeprefix('✓').strip() for title in titles]
    assert titles[0] == 'psenet-night-scenes (PSENet)' and 'Identity' in titles
    assert 'psenet-sice (PSENet), not yet downloaded' in titles
    page.keyboard.press('Escape')
    page.get_by_role('tab', name='Detections').click()
    page.get_by_text('tools/app.py --detector CONFIG CHECKPOINT').wait_for()


def test_neither_the_page_nor_its_server_asks_anything_of_the_network(page, server):
    requested = []
    page.on('request', lambda request: requested.append(request.url))
    page.reload()
    page.locator('.gallery-item').first.click()
    page.locator('#picture img').wait_for()
    assert 'lit in' in press(page)
    for name in ('Maps', 'Detections', 'Before and after'):
        page.get_by_role('tab', name=name).click()
    page.wait_for_timeout(500)
    assert len(requested) > 20
    here = (server.address, 'data:', 'blob:')
    assert [url for url in requested if not url.startswith(here)] == []
    assert server.address.startswith('http://127.0.0.1:')
    assert not server.asked.exists(), server.asked.read_text()


def places_that_differ(new, kept):
    """Squares of ten pixels, (row, column) from 0, of which the mean colour of two screenshots differs; what the line
    below says of time is left out."""
    assert new.shape == kept.shape
    rows, columns = new.shape[0] // 10, new.shape[1] // 10
    means = [cv2.resize(p[: rows * 10, : columns * 10], (columns, rows), interpolation=cv2.INTER_AREA)
             for p in (new, kept)]  # fmt: skip
    differs = np.abs(means[0].astype(int) - means[1]).max(2) > 12
    if kept.shape[1] == SIZE['width']:
        differs[74:78, 42:100] = False
    return [tuple(place) for place in np.argwhere(differs).tolist()]


def test_the_screenshots_on_the_page_are_current(tmp_path):
    subprocess.run(
        [sys.executable, TOOL, '--screenshot', tmp_path / 'app.png'], check=True, cwd=ROOT
    )
    for name in ('app.png', 'app_maps.png'):
        new, kept = (read_picture(folder / name) for folder in (tmp_path, FIGURE.parent))
        found = places_that_differ(new, kept)
        assert found == [], f'take {name} again, as the page says, if it has changed on purpose'
    assert read_picture(FIGURE).shape == (SIZE['height'], SIZE['width'], 3)


@pytest.mark.parametrize(
    ('part', 'top', 'left', 'bottom', 'right'),
    [
        ('the arrow that resets an option', 642, 362, 670, 388),
        ('the number of an option', 645, 277, 670, 360),
        ('the knob of a slider', 712, 352, 732, 372),
        ('full screen', 147, 1224, 166, 1248),
        ('paste', 294, 225, 312, 242),
        ('weights of your own', 765, 40, 792, 170),
        ('a tab', 95, 555, 116, 595),
        ('an example', 365, 212, 427, 294),
        ('download', 741, 1018, 774, 1248),
    ],
)
def test_a_control_that_is_gone_is_noticed(part, top, left, bottom, right):
    kept = read_picture(FIGURE)
    without = kept.copy()
    without[top:bottom, left:right] = kept[top, left - 1]
    assert places_that_differ(without, kept), part
    assert places_that_differ(kept, kept) == []


def test_a_port_that_is_taken_is_said_in_one_sentence(call_tool):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        status, said = call_tool('app', '--port', port, '--enhancers', 'identity')
    assert status == 2
    assert f'Nothing can be served at `127.0.0.1:{port}`' in said and '--port' in said
