"""Videos in, lit videos out: one frame after the other, the sound as it is."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .video_colours import Colours, VideoError

VIDEO_SUFFIXES = frozenset(
    '.3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv'.split()
)
# files that hold H.264 and the time of every frame, with their names in FFmpeg; all others become .mp4
CONTAINERS = {'.mp4': 'mp4', '.m4v': 'mp4', '.mov': 'mov', '.mkv': 'matroska'}
CRF = 18

_USUAL_RATE = Fraction(25)
_MISSING = '`{}` is a video, which needs PyAV; install it with `pip install av`.'


@dataclass
class VideoReport:
    """What came of a video.

    Attributes:
        frames: How many were written.
        seconds: Where the last of them ends.
        damage: A sentence about what could not be read; None where all was.
        notes: Sentences about what the result lacks though nothing is damaged.
    """

    frames: int = 0
    seconds: float = 0.0
    damage: str | None = None
    notes: list[str] = field(default_factory=list)


def enhance_video(
    light: Callable[[Tensor, float], Tensor],
    source: str | os.PathLike,
    target: str | os.PathLike,
    crf: float = CRF,
    progress: Callable[[int, int | None], None] | None = None,
) -> VideoReport:
    """Light a video frame by frame.

    The result is H.264 in 8-bit yuv420p with the matrix, the range, the pixel shape and the times of the frames of the
    source; frames that a display matrix turns are stored upright. Sound is copied; subtitles, chapters and tags are
    not. No more than one frame and what the codecs hold is in memory.

    Where the end is cut off or packets are damaged, what could be decoded is written and the report says what is
    missing. The file appears under its name when it is complete.

    Example:
        >>> from llv.apis import init_enhancer  # doctest: +SKIP
        >>> module = init_enhancer('psenet-night-scenes')  # doctest: +SKIP
        >>> enhance_video(lambda images, seconds: module(images).image, 'a.mp4', 'lit.mp4')  # doctest: +SKIP

    Args:
        light: From (1, 3, H, W) float32 RGB in [0, 1] on the CPU and the time of the frame in seconds to
            (1, 3, s·H, s·W) on any device.
        source: Any file FFmpeg reads; its first or best video stream.
        target: .mp4, .m4v, .mov or .mkv; its folder is made.
        crf: Quality of H.264: 0 without loss, 18 hardly visible loss, 23 smaller files, 51 worst.
        progress: Called after each frame with its number and how many there will be, None where nobody knows.

    Returns:
        The report.

    Raises:
        VideoError: PyAV is missing, the source is no video or of a kind that cannot be lit, or nothing can be written.
    """
    source, target = Path(source).expanduser(), Path(target)
    _check_codec(source)
    if target.suffix.lower() not in CONTAINERS:
        raise VideoError(
            f'`{target}` has no suffix of a video to write; use one of {", ".join(CONTAINERS)}.'
        )
    if not 0 <= crf <= 51:
        raise ValueError(f'`crf` must be from 0 (without loss) to 51 (worst), but got {crf}.')
    with _Source(source) as video, _Target(target, crf) as result:
        waiting = []
        for item in video.items():
            if not isinstance(item, _Shown):
                waiting.append(item)
            else:
                with torch.no_grad():
                    lit = light(item.image[None], item.seconds)[0]
                if not result.is_open:
                    result.open(video, lit.shape[1:])
                result.write(video.colours.encode(lit), item.pts, item.duration)
                if progress is not None:
                    progress(video.read, video.expected)
            if result.is_open:
                for packet in waiting:
                    result.copy(packet)
                waiting.clear()
        if not result.is_open:
            raise VideoError(
                f'`{source}` holds no frame that can be decoded; fetch or save it again.'
            )
        result.finish()
    notes = [f'`{target}` lacks a track of sound: {reason}.' for reason in result.left_out]
    return VideoReport(video.read, float(video.end), video.damage(), notes)


def _check_codec(source: Path) -> None:
    """Find out that PyAV is there.

    Raises:
        VideoError: It is not.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise VideoError(_MISSING.format(source)) from error


@dataclass
class _Shown:
    """A decoded frame: (3, H, W) RGB upright, its time, and that and its duration in ticks of the stream."""

    image: Tensor
    seconds: float
    pts: int
    duration: int


class _Source:
    """A video file that is being read."""

    def __init__(self, path: Path) -> None:
        import av

        self.path = path
        self.read = 0
        self.end = Fraction(0)
        self.colours: Colours | None = None
        self._damaged = 0
        self._is_broken = False
        try:
            self.container = av.open(str(path))
        except FileNotFoundError as error:
            raise VideoError(f'`{path}` is not there; check the path.') from error
        except PermissionError as error:
            raise VideoError(f'`{path}` cannot be read; check its permissions.') from error
        except (av.FFmpegError, OSError) as error:
            raise VideoError(
                f'`{path}` is no video, or it is truncated or damaged; fetch or save it again.'
            ) from error
        covers = av.stream.Disposition.attached_pic
        videos = [s for s in self.container.streams.video if not s.disposition & covers]
        if not videos:
            self.container.close()
            raise VideoError(f'`{path}` holds no video stream; there is nothing to light in it.')
        self.stream = max(videos, key=lambda s: s.width * s.height)
        self.stream.thread_type = 'AUTO'
        self.rate = self.stream.average_rate or self.stream.guessed_rate or _USUAL_RATE
        self.tick = self.stream.time_base or 1 / self.rate
        self.sound = list(self.container.streams.audio)
        # where a recording starts late, as in broadcasts, the result starts at 0
        self.start = Fraction(max(self.container.start_time or 0, 0), av.time_base)

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *error: object) -> None:
        self.container.close()

    @property
    def expected(self) -> int | None:
        """How many frames the file says it has, or has by its duration."""
        if self.stream.frames:
            return self.stream.frames
        duration = self._duration()
        return round(duration * self.rate) if duration else None

    def items(self) -> Iterator[Any]:
        """Frames as :class:`_Shown` and packets of sound, in the order of the file; ends at the first damage that
        cannot be passed."""
        import av

        packets = self.container.demux([self.stream, *self.sound])
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._is_broken = True
                packet = None
            if packet is not None and packet.stream is not self.stream:
                if packet.dts is not None:
                    yield packet
                continue
            for frame in self._decode(packet):
                yield self._show(frame)
            if packet is None:
                return

    def damage(self) -> str | None:
        """A sentence about what is missing."""
        duration = self._duration()
        # the number of frames that a file claims counts those that its edit list hides
        missing = duration is not None and duration - self.end > 2 / self.rate + Fraction(1, 10)
        if not (self._damaged or self._is_broken or missing):
            return None
        of = f' of {float(duration):.2f}' if missing else ''
        return (
            f'`{self.path}` is truncated or damaged; what could be decoded is written, {self.read} frames up to '
            f'{float(self.end):.2f}{of} s.'
        )

    def _decode(self, packet: Any) -> list[Any]:
        """The good frames of a packet; None ends the stream."""
        import av

        try:
            frames = self.stream.codec_context.decode(packet)
        except EOFError:  # it has been ended already
            return []
        except av.FFmpegError:
            self._damaged += 1
            return []
        good = [frame for frame in frames if not frame.is_corrupt]
        self._damaged += len(frames) - len(good)
        return good

    def _show(self, frame: Any) -> _Shown:
        if self.colours is None:
            transfer = int(self.stream.codec_context.color_trc)
            self.colours = Colours.of(frame, transfer, str(self.path))
            self._size = frame.width, frame.height
        if (frame.width, frame.height) != self._size:
            raise VideoError(
                f'`{self.path}` changes the size of its frames, which one video cannot hold; cut it there.'
            )
        step = max(round(1 / (self.rate * self.tick)), 1)
        pts = self.read * step
        if frame.pts is not None:
            pts = frame.pts - round(self.start / self.tick)
        if self.read:  # damaged files repeat or turn back times
            pts = max(pts, self._last + 1)
        self._last = pts
        self.read += 1
        duration = frame.duration or step
        self.end = (pts + duration) * self.tick
        return _Shown(self.colours.decode(frame), float(pts * self.tick), pts, duration)

    def _duration(self) -> Fraction | None:
        """Of the video stream, in seconds."""
        if self.stream.duration:
            return self.stream.duration * self.tick
        text = self.stream.metadata.get('DURATION', '')  # what Matroska files have instead
        with contextlib.suppress(ValueError):
            hours, minutes, seconds = text.split(':')
            return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
        if self.container.duration and not self.sound:
            import av

            return Fraction(self.container.duration, av.time_base)
        return None


class _Target:
    """A video file that is being written, beside its place until it is complete."""

    def __init__(self, path: Path, crf: float) -> None:
        self.path = path
        self.crf = crf
        self.left_out: list[str] = []
        self.container: Any = None
        self._beside = path.with_name(f'.{path.name}.{os.getpid()}.part')

    def __enter__(self) -> _Target:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if self.container is not None:
            with contextlib.suppress(Exception):  # of a file that is thrown away
                self.container.close()
        with contextlib.suppress(OSError):
            self._beside.unlink()

    @property
    def is_open(self) -> bool:
        return self.container is not None

    def open(self, source: _Source, size: tuple[int, int]) -> None:
        """Start the file for lit frames of a size (height, width)."""
        import av

        kind = CONTAINERS[self.path.suffix.lower()]
        with self._writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.container = av.open(str(self._beside), 'w', format=kind)
        try:
            # without frames that look ahead: MP4 would cut the last frame of a video of varying rate short
            options = {'crf': f'{self.crf:g}', 'bf': '0'}
            stream = self.container.add_stream('libx264', rate=source.rate, options=options)
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f'`{self.path}` cannot be written, because this PyAV has no H.264 encoder (libx264); install it with '
                '`pip install av`.'
            ) from error
        height, width = size
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = 'yuv420p'
        theirs, ours = source.stream.codec_context, stream.codec_context
        ours.time_base = stream.time_base = source.tick
        ours.color_range = 2 if source.colours.full else 1
        ours.color_primaries, ours.color_trc = theirs.color_primaries, theirs.color_trc
        if int(theirs.colorspace) != 0:  # that of RGB
            ours.colorspace = theirs.colorspace
        shape = theirs.sample_aspect_ratio
        if shape:
            ours.sample_aspect_ratio = 1 / shape if source.colours.is_transposed else shape
        self._video = stream
        self._tick = source.tick
        self._durations: dict[int, int] = {}
        self._sound = {}
        self._heard: dict[int, int] = {}
        for track in source.sound:
            if _fits(track, kind):
                self._sound[track.index] = self.container.add_stream_from_template(track)
            else:
                codec = track.codec_context  # None where this FFmpeg does not know it
                name = 'an unknown codec' if codec is None else f'`{codec.name}`'
                self.left_out.append(f'{name} does not fit into {self.path.suffix}')
        self._start = source.start

    def write(self, frame: Any, pts: int, duration: int) -> None:
        """Encode a frame that is shown at a time for a time, both in ticks of the source."""
        frame.pts, frame.time_base = pts, self._tick
        self._durations[pts] = duration
        self._encode(frame)

    def copy(self, packet: Any) -> None:
        """Copy a packet of sound."""
        index = packet.stream.index
        track = self._sound.get(index)
        shift = round(self._start / packet.time_base)
        # damaged files repeat or turn back times, which no file can hold
        if track is None or packet.dts - shift <= self._heard.get(index, -math.inf):
            return
        packet.dts -= shift
        self._heard[index] = packet.dts
        if packet.pts is not None:
            packet.pts -= shift
        packet.stream = track
        with self._writing():
            self.container.mux(packet)

    def finish(self) -> None:
        """Put the complete file in its place."""
        self._encode(None)
        with self._writing():
            self.container.close()
            os.replace(self._beside, self.path)

    def _encode(self, frame: Any) -> None:
        with self._writing():
            for packet in self._video.encode(frame):
                # the encoder forgets it, and the last frame would be shown for no time
                packet.duration = self._durations.pop(packet.pts, None) or packet.duration
                self.container.mux(packet)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        import av

        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise VideoError(
                f'`{self.path}` cannot be written ({error.strerror}); choose another folder or make room.'
            ) from error


def _fits(track: Any, kind: str) -> bool:
    """Whether a kind of file can hold a track of sound, found out by starting one in memory."""
    from io import BytesIO

    import av

    if track.codec_context is None:
        return False
    trial = av.open(BytesIO(), 'w', format=kind)
    try:
        trial.add_stream_from_template(track)
        trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with contextlib.suppress(Exception):
            trial.close()
    return True
