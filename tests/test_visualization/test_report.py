"""The report against what a parser reads back from it."""

import base64
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from llv.visualization import Box, HtmlReport, Tile

PALETTE = dict(disc=(228, 26, 28), ring=(166, 86, 206))


class Page(HTMLParser):
    """Collects the elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.words = ''
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ('meta', 'img', 'image', 'rect'):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in ('rect',):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def picture_of(uri: str) -> np.ndarray:
    head, data = uri.split(',', 1)
    assert head == 'data:image/jpeg;base64'
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    return pixels[..., ::-1]


def full_report() -> HtmlReport:
    report = HtmlReport('Title', 'lead')
    report.heading('Part')
    report.text('words')
    report.code('make demo')
    report.facts({'seeds': [0, 1]})
    report.table(['what', 'AP50'], {'group': [['day', '0.81']], '': [['night', 0.5]]}, 'a note')
    figure = Figure()
    figure.add_subplot().plot([0, 1])
    report.figures([(figure, 'a line')])
    report.legend(PALETTE)
    report.gallery(
        [Tile(np.zeros((4, 6, 3), np.uint8), 'black', [Box((1, 1, 3, 2), 'disc', 0.5)])], PALETTE
    )
    return report


def test_nothing_is_loaded_from_elsewhere():
    html = full_report().html()
    page = Page(html)
    assert page.open == []  # every element is closed
    links = [a[key] for _, a in page.elements for key in ('src', 'href', 'xlink:href') if key in a]
    assert len(links) == 2
    assert all(link.startswith('data:image/') and ';base64,' in link for link in links)
    assert not page.all('script') and not page.all('link')
    assert 'url(' not in html and '@import' not in html


def test_table_has_its_cells_in_order():
    page = Page(full_report().html())
    words = page.words
    assert words.index('AP50') < words.index('group') < words.index('0.81') < words.index('0.5')
    assert 'a note' in words
    report = HtmlReport('x')
    with pytest.raises(ValueError, match='`groups` has 1 cells, but `header` has 2'):
        report.table(['a', 'b'], {'': [['only one']]})


def test_figures_are_vector_graphics():
    (image,) = Page(full_report().html()).all('img')
    head, data = image['src'].split(',', 1)
    assert head == 'data:image/svg+xml;base64'
    assert b'<svg' in base64.b64decode(data)


def test_pictures_keep_their_colours_and_boxes_their_place():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[..., 0] = 200  # red
    box = Box((10.0, 5.0, 30.5, 25.0), 'ring', 0.876)
    report = HtmlReport('x')
    report.gallery([Tile(picture, 'red', [box])], PALETTE)
    page = Page(report.html())
    (image,) = page.all('image')
    shown = picture_of(image['href'])
    assert shown.shape == picture.shape
    assert np.abs(shown.astype(int) - picture).max() <= 4
    (svg,) = page.all('svg')
    assert svg['viewbox'] == '0 0 60 40'
    seam, line = page.all('rect')
    for key, value in dict(x='10.0', y='5.0', width='20.5', height='20.0').items():
        assert seam[key] == line[key] == value
    assert line['stroke'] == 'rgb(166,86,206)'
    assert 'ring 0.88' in page.words


def test_truth_has_no_score():
    report = HtmlReport('x')
    report.gallery([Tile(np.zeros((4, 4, 3), np.uint8), '', [Box((0, 0, 1, 1), 'disc')])], PALETTE)
    assert '<title>disc</title>' in report.html()


@given(st.text(alphabet=st.characters(codec='utf-8', exclude_categories=['Cc', 'Cs'])))
def test_text_is_never_markup(text):
    report = HtmlReport('x')
    before = len(Page(report.html()).elements)
    report.text(text)
    page = Page(report.html())
    assert len(page.elements) == before + 1
    assert text in page.words


def test_what_does_not_fit_is_named():
    report = HtmlReport('x')
    black = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match='no colour for the label `cat`'):
        report.gallery([Tile(black, '', [Box((0, 0, 1, 1), 'cat')])], PALETTE)
    with pytest.raises(ValueError, match=r'must be \(H, W, 3\) uint8, but got \(4, 4, 3\) float64'):
        report.gallery([Tile(black / 255, '')])


def test_write_replaces_the_whole_file(tmp_path):
    file = tmp_path / 'report.html'
    file.write_text('old')
    report = full_report()
    report.write(file)
    assert file.read_text(encoding='utf-8') == report.html()
    assert [path.name for path in tmp_path.iterdir()] == ['report.html']
