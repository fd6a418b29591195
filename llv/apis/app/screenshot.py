"""What the page looks like, taken in a headless browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from socket import socket

    import uvicorn
    from playwright.sync_api import Browser, Page

_NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
_FLAGS = (
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
)
SIZE = dict(width=1280, height=900)
_PATIENCE = 120_000  # milliseconds, also for a machine that is busy


def find_browser() -> str | None:
    """The first of the usual names of Chromium and Chrome that is on the path."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless browser with a new, empty profile.

    Raises:
        ModuleNotFoundError: playwright is missing.
        FileNotFoundError: There is no Chromium and no Chrome.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Taking a screenshot needs `playwright`; install it: `pip install playwright`.',
            name='playwright',
        ) from error
    path = find_browser()
    if path is None:
        raise FileNotFoundError(
            f'There is no browser to take a screenshot in; install one of {", ".join(f"`{n}`" for n in _NAMES)}.'
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Browser, address: str) -> Page:
    """The page once it can be used, in its dark dress."""
    page = browser.new_page(viewport=SIZE, color_scheme='dark')
    page.set_default_timeout(_PATIENCE)
    page.goto(address)
    page.locator('#press').wait_for()
    return page


def take_screenshot(server: uvicorn.Server, listener: socket, file: Path) -> None:
    """Light the first example with what is chosen at the start, and write what the page then looks like.

    The maps go to a file of their own beside it, ``page_maps.png`` for ``page.png``.

    Args:
        server: That of the page; it is run meanwhile.
        listener: Socket to run it on.
        file: PNG of 1280 × 900 pixels and 128 colours to write.
    """
    with open_browser() as browser, served(server, listener) as address:
        page = open_page(browser, address)
        page.locator('.gallery-item').first.click()
        page.locator('#picture img').wait_for()
        page.locator('#press').click()
        page.locator('#status span').first.wait_for()
        page.locator('#slider img').nth(1).wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(1000)  # fades
        taken = {file: page.screenshot()}
        page.get_by_role('tab', name='Maps').click()
        page.locator('#maps img').first.wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(1000)
        taken[file.with_stem(f'{file.stem}_maps')] = page.locator('#maps').screenshot()
    file.parent.mkdir(parents=True, exist_ok=True)
    for name, data in taken.items():
        shown = Image.open(BytesIO(data)).convert('RGB')
        # a third of the size
        shown.quantize(128, dither=Image.Dither.NONE).save(name, optimize=True)


@contextmanager
def served(server: uvicorn.Server, listener: socket) -> Iterator[str]:
    """The address of a server that runs in a thread of its own."""
    thread = Thread(target=server.run, kwargs=dict(sockets=[listener]))
    thread.start()
    try:
        yield f'http://127.0.0.1:{listener.getsockname()[1]}'
    finally:
        server.should_exit = True
        thread.join()
