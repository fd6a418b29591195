"""Downloads arrive whole and verified, or not at all."""

import hashlib
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest

from llv.utils.downloads import cache_folder, download, sha256_of


@pytest.fixture
def server(tmp_path):
    """A web server on this machine and the folder it serves."""
    folder = tmp_path / 'served'
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    httpd = HTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield folder, f'http://127.0.0.1:{httpd.server_port}'
    httpd.shutdown()


def test_a_file_arrives_unchanged(server, tmp_path):
    folder, url = server
    data = bytes(range(256)) * 9000  # more than one chunk
    (folder / 'w.pth').write_bytes(data)
    target = tmp_path / 'cache' / 'deep' / 'w.pth'
    download(f'{url}/w.pth', target, hashlib.sha256(data).hexdigest())
    assert target.read_bytes() == data
    assert sha256_of(target) == hashlib.sha256(data).hexdigest()
    assert [path.name for path in target.parent.iterdir()] == ['w.pth']


def test_another_file_is_thrown_away(server, tmp_path):
    folder, url = server
    (folder / 'w.pth').write_bytes(b'not it')
    with pytest.raises(ValueError, match='sha256 differs'):
        download(f'{url}/w.pth', tmp_path / 'cache' / 'w.pth', '0' * 64)
    assert list((tmp_path / 'cache').iterdir()) == []


def test_what_is_not_there_is_an_error_and_leaves_nothing(server, tmp_path):
    _, url = server
    with pytest.raises(OSError, match='(?i)not found'):
        download(f'{url}/gone.pth', tmp_path / 'cache' / 'w.pth', '0')
    with pytest.raises(OSError, match='refused'):
        download('http://127.0.0.1:9/w.pth', tmp_path / 'cache' / 'w.pth', '0')
    assert list((tmp_path / 'cache').iterdir()) == []


def test_the_cache_follows_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert cache_folder() == tmp_path / 'llv'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    assert cache_folder() == tmp_path / 'home' / '.cache' / 'llv'
