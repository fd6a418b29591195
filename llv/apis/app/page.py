"""The page itself, made of gradio's parts; what it does is in :mod:`.workbench`."""

from __future__ import annotations

import re
import socket
import traceback
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from llv.utils.errors import explain

from .choices import Choice
from .controls import Control, changed, controls_of
from .gradio_offline import fastapi, uvicorn
from .gradio_offline import gradio as gr
from .workbench import Workbench

_STYLE = Path(__file__).with_name('page.css')
_HEAD = """
<div id="title"><b>llv</b><span>low-light vision: light a picture, and see what changed</span></div>
"""
_NO_DETECTOR = """
To see what a detector finds before and after, start the page with one of mmdet, its config and its checkpoint:

```
python tools/app.py --detector CONFIG CHECKPOINT
```
"""
_HOW = '<p>Drop a picture or take an example, choose an enhancer, press <b>Light it</b>.</p>'
_SUFFIXES = ['.pth', '.pt', '.ckpt']


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes requests from now on.

    Args:
        host: Address of this machine, such as ``'127.0.0.1'``.
        port: 0 takes any that is free.

    Raises:
        ValueError: The address cannot be used, most often because something else answers there.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ValueError(
            f'Nothing can be served at `{host}:{port}` ({error.strerror}); choose another `--port` or `--host`.'
        ) from error


class Page:
    """The page: its parts, and what happens between them.

    Args:
        workbench: Does the work.
        choices: Enhancers to choose from; the first is chosen at the start.
        examples: Picture files to click on.

    Attributes:
        blocks: What gradio serves.
    """

    def __init__(
        self, workbench: Workbench, choices: Sequence[Choice], examples: Sequence[Path]
    ) -> None:
        self.workbench = workbench
        self.choices = {choice.name: choice for choice in choices}
        # enhancers with equal options share their controls
        self._fields: dict[tuple[Control, ...], list[Any]] = {}
        self._groups: dict[tuple[Control, ...], Any] = {}
        # what was uploaded goes when it is an hour old
        self.blocks = gr.Blocks(title='llv', analytics_enabled=False, delete_cache=(600, 3600))
        with self.blocks:
            gr.HTML(_HEAD)
            with gr.Row(equal_height=False):
                with gr.Column(scale=4, min_width=320):
                    self._build_inputs(examples)
                with gr.Column(scale=9, min_width=480):
                    self._build_results()
            self._connect()

    def server(self) -> uvicorn.Server:
        """What answers on a socket: ``server.run(sockets=[listen(host, port)])``.

        Not ``Blocks.launch``, which asks itself through the proxy of the environment, and gives up after three seconds
        on a machine that is busy.
        """
        self.blocks.queue(default_concurrency_limit=1)
        app = gr.mount_gradio_app(
            fastapi.FastAPI(),
            self.blocks,
            path='/',
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            theme=_theme(),
            css_paths=_STYLE,
        )
        # browsers keep connections open
        return uvicorn.Server(uvicorn.Config(app, log_level='warning', timeout_graceful_shutdown=1))

    def _build_inputs(self, examples: Sequence[Path]) -> None:
        self.picture = gr.Image(
            label='Picture',
            type='filepath',
            image_mode=None,
            sources=['upload', 'clipboard'],
            height=230,
            buttons=[],
            elem_id='picture',
        )
        # the very file: gradio would open it first, and refuse what is no picture in its own words
        self.picture.preprocess = lambda payload: payload and payload.path
        gr.Examples([[str(file)] for file in examples], [self.picture], label='Examples (drawn)')
        first = next(iter(self.choices.values()))
        self.enhancer = gr.Dropdown(
            self._titles(), value=first.name, label='Enhancer', elem_id='enhancer', filterable=True
        )
        self.about = gr.Markdown(first.about, elem_id='about')
        for choice in self.choices.values():
            self._build_controls(controls_of(choice), controls_of(first))
        with gr.Accordion(
            'Weights of your own', open=False, visible=first.takes_weights, elem_id='weights'
        ) as self.own_weights:
            self.weights = gr.File(show_label=False, file_types=_SUFFIXES, height=110)
        names = list(self.workbench.detectors)
        with gr.Group(visible=bool(names)):
            self.detector = gr.Dropdown(
                names, value=names[0] if names else None, label='Detector', elem_id='detector'
            )
            self.score = gr.Slider(
                0, 1, 0.3, step=0.05, label='Lowest score of a detection', elem_id='score'
            )
        self.press = gr.Button('Light it', variant='primary', elem_id='press')

    def _build_controls(self, controls: tuple[Control, ...], first: tuple[Control, ...]) -> None:
        if not controls or controls in self._groups:
            return
        with gr.Group(visible=controls == first) as self._groups[controls]:
            self._fields[controls] = [_field(control) for control in controls]

    def _build_results(self) -> None:
        with gr.Tabs():
            with gr.Tab('Before and after'):
                self.slider = gr.ImageSlider(
                    show_label=False,
                    interactive=False,
                    format='png',
                    height=560,
                    max_height=560,
                    buttons=['fullscreen'],
                    elem_id='slider',
                )
            with gr.Tab('Maps'):
                self.no_maps = gr.Markdown('Maps that the enhancer predicts appear here.')
                self.maps = gr.Gallery(
                    show_label=False,
                    height=560,
                    object_fit='contain',
                    preview=True,
                    allow_preview=True,
                    format='png',
                    interactive=False,
                    buttons=['fullscreen'],
                    elem_id='maps',
                )
            with gr.Tab('Detections'):
                has_detector = bool(self.workbench.detectors)
                gr.Markdown(_NO_DETECTOR, visible=not has_detector, elem_id='no-detector')
                with gr.Row(visible=has_detector):
                    self.detections = [
                        gr.Image(
                            label=title,
                            format='png',
                            interactive=False,
                            buttons=['fullscreen'],
                            elem_id=f'detections-{title}',
                        )
                        for title in ('before', 'after')
                    ]
        with gr.Row(elem_id='foot', equal_height=True):
            self.status = gr.HTML(_HOW, elem_id='status')
            self.download = gr.DownloadButton(
                'Download at full size',
                interactive=False,
                size='md',
                scale=0,
                min_width=230,
                elem_id='file',
            )

    def _connect(self) -> None:
        self.enhancer.change(
            self._choose,
            [self.enhancer],
            [self.about, self.own_weights, self.weights, *self._groups.values()],
            api_visibility='private',
            show_progress='hidden',
            queue=False,
        )
        fields = [field for group in self._fields.values() for field in group]
        self.press.click(
            self._light,
            [self.picture, self.enhancer, self.weights, self.detector, self.score, *fields],
            [
                self.slider,
                self.status,
                self.download,
                self.no_maps,
                self.maps,
                *self.detections,
                self.enhancer,
            ],
            api_visibility='private',
            show_progress='minimal',
            show_progress_on=[self.slider],
        )

    def _titles(self) -> list[tuple[str, str]]:
        return [(choice.title, name) for name, choice in self.choices.items()]

    def _choose(self, name: str) -> list[Any]:
        """What the page shows once another enhancer is chosen."""
        choice = self.choices[name]
        controls = controls_of(choice)
        groups = [gr.update(visible=own == controls) for own in self._groups]
        # a file given for another enhancer is none for this one
        return [choice.about, gr.update(visible=choice.takes_weights), None, *groups]

    def _light(
        self,
        picture: str | None,
        name: str,
        weights: str | None,
        detector: str | None,
        score: float,
        *values: Any,
    ) -> list[Any]:
        """What the page shows once the button is pressed."""
        choice = self.choices[name]
        if picture is None:
            return self._nothing(_alert('There is no picture yet; drop one or take an example.'))
        try:
            lit = self.workbench.light(
                picture,
                choice,
                weights if choice.takes_weights else None,
                self._options(controls_of(choice), values),
                detector,
                score,
            )
        except Exception as error:  # the server answers the next one all the same
            sentence = explain(error)
            if sentence is None:
                traceback.print_exc()
                sentence = f'That failed ({type(error).__name__}); the terminal shows the details.'
            for file in filter(None, (picture, weights)):
                sentence = sentence.replace(file, Path(file).name)
            return self._nothing(_alert(sentence))
        note = '' if lit.maps else 'This enhancer has no maps to show.'
        found = lit.detections or [(None, 'before'), (None, 'after')]
        return [
            (lit.before, lit.after),
            ''.join(f'<span>{escape(fact)}</span>' for fact in lit.facts),
            gr.update(value=lit.file, interactive=True),
            gr.update(value=note, visible=bool(note)),
            gr.update(value=lit.maps, visible=bool(lit.maps)),
            *(gr.update(value=shown, label=caption) for shown, caption in found),
            gr.update(choices=self._titles()),  # what was downloaded just now has lost its mark
        ]

    def _nothing(self, status: str) -> list[Any]:
        """No result: none of an earlier picture is left beside the message."""
        download = gr.update(value=None, interactive=False)
        return [None, status, download, '', None, None, None, gr.skip()]

    def _options(self, controls: tuple[Control, ...], values: Sequence[Any]) -> dict[str, Any]:
        start = 0
        for own, fields in self._fields.items():
            if own == controls:
                names = [control.option for control in controls]
                return changed(controls, dict(zip(names, values[start:], strict=False)))
            start += len(fields)
        return {}


def _field(control: Control) -> Any:
    shared = dict(
        value=control.default,
        label=control.option,
        info=control.about or None,
        elem_id=f'option-{control.option}',
        interactive=True,
    )
    if control.choices:
        return gr.Dropdown(list(control.choices), **shared)
    if isinstance(control.default, bool):
        return gr.Checkbox(**shared)
    if control.low is not None:
        return gr.Slider(control.low, control.high, step=control.step, **shared)
    if isinstance(control.default, str):
        return gr.Textbox(**shared)
    return gr.Number(precision=0 if isinstance(control.default, int) else None, **shared)


def _alert(sentence: str) -> str:
    text = re.sub('`([^`]+)`', r'<code>\1</code>', escape(sentence))
    return f'<p class="alert" role="alert">{text}</p>'


def _theme() -> Any:
    """Quiet greys with the colour of a street lamp; its fonts come with gradio."""
    lamp = '#f5b54a'
    return gr.themes.Default(
        primary_hue=gr.themes.colors.amber,
        neutral_hue=gr.themes.colors.slate,
        # the semi-bold face that comes with gradio lacks letters
        font=(
            gr.themes.LocalFont('Source Sans Pro', weights=(400, 700)),
            'system-ui',
            'sans-serif',
        ),
        font_mono=(gr.themes.LocalFont('IBM Plex Mono', weights=(400,)), 'monospace'),
    ).set(
        body_text_color_subdued='*neutral_500',
        block_info_text_color='*neutral_500',
        button_primary_background_fill=lamp,
        button_primary_background_fill_dark=lamp,
        button_primary_background_fill_hover='#ffc766',
        button_primary_background_fill_hover_dark='#ffc766',
        button_primary_text_color='#1a1d22',
        button_primary_text_color_dark='#1a1d22',
        slider_color=lamp,
        slider_color_dark=lamp,
    )
