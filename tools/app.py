"""Serve a web page on this machine: drop a picture, choose an enhancer, see before and after.

Example:
    python tools/app.py
    python tools/app.py --enhancers psenet-night-scenes mean_match my_enhancer.py --port 8000
    python tools/app.py --detector my_detector.py my_detector.pth

Open the address that it prints; Ctrl+C ends it. It needs the extra `app` (docs/app.md) and no network:
nothing of a picture leaves this machine. Pictures and results are in a temporary folder that goes when it ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from llv.utils.arguments import new_file
from llv.utils.errors import friendly_errors

if TYPE_CHECKING:
    from socket import socket

    import uvicorn


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--port',
        type=int,
        default=7860,
        metavar='NUMBER',
        help='0 takes any that is free (default: %(default)s)',
    )
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        metavar='ADDRESS',
        help='`0.0.0.0` lets every machine of your network use the page, which has no password (default: %(default)s, '
        'this machine alone)',
    )
    parser.add_argument(
        '--enhancers',
        nargs='+',
        metavar='NAME_OR_CONFIG',
        help='enhancers, published weights and config files to choose from (default: all that need no options)',
    )
    parser.add_argument(
        '--detector',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='detector of mmdet to show the detections of; may be repeated',
    )
    parser.add_argument(
        '--device',
        default='cpu',
        metavar='DEVICE',
        help='such as `cuda:0` (default: %(default)s)',
    )
    parser.add_argument(
        '--screenshot',
        type=new_file,
        metavar='FILE',
        help='light an example in a headless browser, write what the page looks like as PNG, and end',
    )
    args = parser.parse_args()
    if not 0 <= args.port < 2**16:
        parser.error(f'`--port` must be in 0..65535, but got {args.port}')
    return args


def main() -> None:
    """Build the page and serve it."""
    with (
        friendly_errors(),
        tempfile.TemporaryDirectory(prefix='llv-app-', ignore_cleanup_errors=True) as folder,
    ):
        args = parse_args()
        # read by gradio when the page is built
        os.environ['GRADIO_TEMP_DIR'] = str(Path(folder, 'uploads'))
        from llv.apis.app.choices import offered
        from llv.apis.app.detection import load_detector
        from llv.apis.app.examples import write_examples
        from llv.apis.app.page import Page, listen
        from llv.apis.app.workbench import Workbench

        where = ('127.0.0.1', 0) if args.screenshot else (args.host, args.port)
        with listen(*where) as listener:
            choices = offered(args.enhancers)
            detectors = [load_detector(*pair, device=args.device) for pair in args.detector]
            workbench = Workbench(Path(folder, 'results'), args.device, detectors)
            page = Page(workbench, choices, write_examples(Path(folder, 'examples')))
            run(page.server(), listener, args.screenshot)


def run(server: uvicorn.Server, listener: socket, screenshot: Path | None) -> None:
    """Answer until somebody ends it, or until there is a screenshot."""
    if screenshot is not None:
        from llv.apis.app.screenshot import take_screenshot

        take_screenshot(server, listener, screenshot)
        print(f'{screenshot} written.')
        return
    # a kill also takes the temporary folder along
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host, port = listener.getsockname()[:2]
    print(f'The page is at http://{host}:{port} (Ctrl+C ends it).', flush=True)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


if __name__ == '__main__':
    sys.exit(main())
