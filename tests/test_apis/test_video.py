"""Videos through `enhance_video`: what goes in is made here by PyAV, what comes out is read by PyAV alone."""

import struct
import sys
import weakref
from fractions import Fraction

import numpy as np
import pytest
import torch

from llv.apis.video import enhance_video
from llv.apis.video_colours import Colours, VideoError

av = pytest.importorskip('av')

LIMITED, FULL = 1, 2
BT709, BT601 = 1, 6


def frame_of(y, cb=128, cr=128, kind='yuv444p', dtype=np.uint8):
    """A frame of constant chroma and the given luma, (H, W)."""
    frame = av.VideoFrame(y.shape[1], y.shape[0], kind)
    for plane, values in zip(frame.planes, (y, cb, cr), strict=True):
        padded = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        padded[:, : plane.width] = np.broadcast_to(values, y.shape)[: plane.height, : plane.width]
        plane.update(padded)
    return frame


def make(path, lumas, codec='ffv1', times=None, sound=None, matrix=BT709, range_=LIMITED, **extra):
    """Write a video of grey frames, one (H, W) uint8 luma each."""
    container = av.open(
        str(path), 'w', format=extra.pop('container', None), options=extra.pop('options', {})
    )
    rate = extra.pop('rate', 10)
    stream = container.add_stream(codec, rate=rate)
    stream.height, stream.width = lumas[0].shape
    stream.pix_fmt = extra.pop('pix_fmt', 'yuv444p' if codec == 'ffv1' else 'yuv420p')
    if codec == 'libx264':
        stream.options = {'crf': '0', 'preset': 'ultrafast'}
    context = stream.codec_context
    context.time_base = Fraction(1, 100)
    context.color_range, context.colorspace = range_, matrix
    for name, value in extra.items():
        setattr(context, name, value)
    track = None
    if sound is not None:
        track = container.add_stream(sound, rate=44100)
        track.layout = 'stereo'
    for number, luma in enumerate(lumas):
        frame = frame_of(luma, kind='yuvj444p' if stream.pix_fmt == 'yuvj420p' else 'yuv444p')
        if stream.pix_fmt != 'yuv444p':
            frame = frame.reformat(
                format=stream.pix_fmt,
                src_color_range=range_,
                dst_color_range=range_,
                src_colorspace=1,
                dst_colorspace=1,
            )
        frame.pts = round(100 * number / rate) if times is None else times[number]
        frame.time_base = Fraction(1, 100)
        container.mux(stream.encode(frame))
    if track is not None:
        kind = track.codec_context.format.name
        wave = np.sin(np.arange(44100) / 10).astype(np.float32)[None] / 2
        if not kind.startswith('flt'):
            wave = (wave * 32767).astype(np.int16)
        wave = np.concatenate([wave, wave]) if kind.endswith('p') else wave.repeat(2, axis=1)
        tone = av.AudioFrame.from_ndarray(wave, format=kind, layout='stereo')
        tone.rate, tone.pts, tone.time_base = 44100, 0, Fraction(1, 44100)
        fifo = av.AudioFifo()
        fifo.write(tone)
        size = track.codec_context.frame_size or 1024
        while (part := fifo.read(size, partial=True)) is not None:
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    container.mux(stream.encode(None))
    container.close()
    return path


def read(path):
    """Every frame with its time, decoded by FFmpeg."""
    with av.open(str(path)) as container:
        return [
            (float(frame.time), frame.to_ndarray(format='rgb24'), frame)
            for frame in container.decode(video=0)
        ]


def sound_packets(path):
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.size]


def ramp(height=16, width=240):
    return np.tile(np.linspace(16, 235, width).round().astype(np.uint8), (height, 1))


def blocks(seed, height=32, width=48):
    """A scene that is like no other."""
    coarse = np.random.default_rng(seed).integers(20, 200, (height // 8, width // 8))
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)


def same(images, seconds):
    return images


def double(images, seconds):
    return (2 * images).clamp(max=1)


@pytest.mark.parametrize('matrix', [BT709, BT601, 2])
@pytest.mark.parametrize('range_', [LIMITED, FULL])
def test_a_grey_ramp_survives_to_two_levels(tmp_path, matrix, range_):
    luma = ramp() if range_ == LIMITED else np.tile(np.arange(240, dtype=np.uint8), (16, 1))
    kind = dict(pix_fmt='yuvj420p') if range_ == FULL else {}
    source = make(tmp_path / 'a.mp4', [luma] * 4, 'libx264', None, None, matrix, range_, **kind)
    grey = luma.astype(float) if range_ == FULL else (luma - 16.0) / 219 * 255
    seen = []

    def look(images, seconds):
        seen.append(images[0].permute(1, 2, 0).numpy() * 255)
        return images

    enhance_video(look, source, tmp_path / 'lit.mp4')
    enhance_video(look, tmp_path / 'lit.mp4', tmp_path / 'again.mp4')
    assert len(seen) == 8
    assert np.abs(seen[0] - grey[..., None]).max() < 0.01
    assert np.abs(seen[4] - grey[..., None]).max() <= 2
    for (_, before, first), (_, after, last) in zip(
        read(source), read(tmp_path / 'lit.mp4'), strict=True
    ):
        assert np.abs(before.astype(int) - after).max() <= 2
        assert (int(first.colorspace), int(first.color_range == FULL)) == (
            int(last.colorspace),
            int(last.color_range == FULL),
        )


# (Y, Cb, Cr) of red and of blue, as tables of the standards have them
TABLE = [
    (BT709, LIMITED, (63, 102, 240), (32, 240, 118)),
    (BT601, LIMITED, (81, 90, 240), (41, 240, 110)),
    (BT601, FULL, (76, 85, 255), (29, 255, 107)),
    (BT709, FULL, (54, 99, 255), (18, 255, 116)),
]


@pytest.mark.parametrize(('matrix', 'range_', 'red', 'blue'), TABLE)
def test_red_and_blue_have_the_levels_of_the_standards(matrix, range_, red, blue):
    for wanted, levels in (((1, 0, 0), red), ((0, 0, 1), blue)):
        frame = frame_of(np.full((4, 4), levels[0], np.uint8), levels[1], levels[2])
        frame.colorspace, frame.color_range = matrix, range_
        colours = Colours.of(frame, 1, 'x')
        decoded = colours.decode(frame)
        assert torch.allclose(decoded[:, 1, 1], torch.tensor(wanted).float(), atol=1.5 / 219)
        encoded = colours.encode(torch.tensor(wanted).float().view(3, 1, 1).expand(3, 4, 4))
        found = [int(np.frombuffer(plane, np.uint8)[0]) for plane in encoded.planes]
        assert found == pytest.approx(levels, abs=1)


@pytest.mark.parametrize(('height', 'matrix'), [(720, BT709), (576, BT601)])
def test_what_says_no_matrix_is_read_as_players_do(height, matrix):
    frame = frame_of(np.full((height, 16), 81, np.uint8), 90, 240)
    said = frame_of(np.full((height, 16), 81, np.uint8), 90, 240)
    said.colorspace = matrix
    found, wanted = (Colours.of(f, 2, 'x').decode(f) for f in (frame, said))
    torch.testing.assert_close(found, wanted)


def test_ten_bits_are_kept_until_the_enhancer():
    levels = np.tile(np.arange(64, 940, 4, dtype=np.uint16)[:, None] + 1, (1, 8))
    frame = frame_of(levels, 512, 512, 'yuv444p10le', np.uint16)
    frame.color_range = LIMITED
    grey = Colours.of(frame, 1, 'x').decode(frame)[1].numpy()
    np.testing.assert_allclose(grey, (levels - 64.0) / 876, atol=1e-5)


def test_times_that_vary_stay_with_the_duration_of_the_last_frame(tmp_path):
    times = [0, 4, 8, 60, 64, 110]
    source = make(tmp_path / 'a.mp4', [blocks(i) for i in range(6)], 'libx264', times)
    report = enhance_video(double, source, tmp_path / 'lit.mp4')
    found, wanted = read(tmp_path / 'lit.mp4'), read(source)
    assert [time for time, *_ in found] == pytest.approx([t / 100 for t in times], abs=1e-3)
    assert report.frames == 6 and report.damage is None and report.notes == []
    with av.open(str(source)) as before, av.open(str(tmp_path / 'lit.mp4')) as after:
        assert after.duration == pytest.approx(before.duration, abs=2000)
    for (_, dark, _), (_, lit, _) in zip(wanted, found, strict=True):
        assert np.abs(np.minimum(2 * dark.astype(int), 255) - lit)[4::8, 4::8].max() <= 6


def turned(path, matrix):
    """Write a display matrix (a, b, c, d) into the header of the track of an MP4 file."""
    data = bytearray(path.read_bytes())
    place = data.index(b'tkhd') + 4 + 4 + 20 + 16
    one = 65536
    data[place : place + 36] = struct.pack(
        '>9i',
        *(one * matrix[0], one * matrix[1], 0, one * matrix[2], one * matrix[3], 0),
        0,
        0,
        2**30,
    )
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ('matrix', 'turn'),
    [
        ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),  # a telephone held upright
        ((-1, 0, 0, -1), lambda x: np.rot90(x, 2)),
        ((0, -1, 1, 0), lambda x: np.rot90(x, 1)),
        ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
    ],
)
def test_turned_videos_become_upright(tmp_path, matrix, turn):
    source = make(
        tmp_path / 'a.mp4', [blocks(0)] * 2, 'libx264', sample_aspect_ratio=Fraction(4, 3)
    )
    enhance_video(same, turned(source, matrix), tmp_path / 'lit.mp4')
    (_, before, _), *_ = read(source)
    (_, after, last), *_ = read(tmp_path / 'lit.mp4')
    assert np.abs(turn(before).astype(int) - after)[4::8, 4::8].max() <= 3
    assert last.side_data.get('DISPLAYMATRIX') is None
    with av.open(str(tmp_path / 'lit.mp4')) as container:
        shape = container.streams.video[0].sample_aspect_ratio
    assert shape == (Fraction(3, 4) if not matrix[0] else Fraction(4, 3))


def test_sound_is_copied_byte_by_byte(tmp_path):
    source = make(tmp_path / 'a.mkv', [blocks(i) for i in range(10)], sound='aac')
    enhance_video(same, source, tmp_path / 'lit.mp4')
    assert sound_packets(tmp_path / 'lit.mp4') == sound_packets(source) != []
    with av.open(str(tmp_path / 'lit.mp4')) as container:
        assert container.streams.audio[0].codec_context.sample_rate == 44100


def test_sound_that_does_not_fit_is_left_out_and_named(tmp_path):
    source = make(tmp_path / 'a.mkv', [blocks(0)] * 3, sound='flac')
    report = enhance_video(same, source, tmp_path / 'lit.mov')
    with av.open(str(tmp_path / 'lit.mov')) as container:
        assert len(container.streams.video) == 1 and not container.streams.audio
    assert '`flac` does not fit into .mov' in report.notes[0]


def test_odd_sides_get_their_last_line_twice(tmp_path):
    source = make(tmp_path / 'a.mkv', [blocks(0)[:31, :47]] * 2)
    enhance_video(same, source, tmp_path / 'lit.mkv', crf=1)
    (_, before, _), *_ = read(source)
    (_, after, _), *_ = read(tmp_path / 'lit.mkv')
    assert after.shape == (32, 48, 3)
    assert np.abs(np.pad(before, ((0, 1), (0, 1), (0, 0)), 'edge').astype(int) - after).max() <= 6


def test_frames_may_grow(tmp_path):
    source = make(tmp_path / 'a.mkv', [blocks(0)] * 2)
    enhance_video(
        lambda x, _: x.repeat_interleave(2, 2).repeat_interleave(2, 3), source, tmp_path / 'lit.mp4'
    )
    assert read(tmp_path / 'lit.mp4')[1][1].shape == (64, 96, 3)


def test_frames_are_not_all_in_memory(tmp_path):
    source = make(tmp_path / 'a.mkv', [blocks(i) for i in range(40)])
    seen, alive, told = [], [], []

    def watch(images, seconds):
        seen.append(weakref.ref(images))
        alive.append(sum(ref() is not None for ref in seen))
        return images

    enhance_video(
        watch, source, tmp_path / 'lit.mp4', progress=lambda *numbers: told.append(numbers)
    )
    assert len(alive) == 40 and max(alive) <= 2
    assert told == [(i + 1, 40) for i in range(40)]


def test_a_video_that_ends_early_is_written_as_far_as_it_goes(tmp_path):
    lumas = [blocks(i, 64, 96) for i in range(20)]
    whole = {
        'a.mkv': make(tmp_path / 'a.mkv', lumas),
        'b.mp4': make(tmp_path / 'b.mp4', lumas, 'libx264', options={'movflags': 'faststart'}),
    }
    for name, path in whole.items():
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 6 // 10])
        report = enhance_video(same, path, tmp_path / f'lit_{name}')
        found = read(tmp_path / f'lit_{name}')
        assert 3 < len(found) == report.frames < 20
        for (_, picture, _), luma in zip(found, lumas, strict=False):
            grey = (luma[4::8, 4::8, None] - 16.0) / 219 * 255
            assert np.abs(picture[4::8, 4::8] - grey).max() <= 5
        assert f'`{path}` is truncated or damaged' in report.damage
        assert f'{report.frames} frames up to {report.frames / 10:.2f}' in report.damage
        assert 'of 2.00 s' in report.damage


def test_damage_in_the_middle_costs_the_damaged_frames_only(tmp_path):
    lumas = [blocks(i, 64, 96) for i in range(20)]
    source = make(tmp_path / 'a.mkv', lumas, 'libx264', gop_size=1)
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packet = [p for p in container.demux(video=0) if p.size][9]
        place = data.index(bytes(packet)[:40])
    data[place : place + 40] = bytes(40)
    source.write_bytes(data)
    report = enhance_video(same, source, tmp_path / 'lit.mp4')
    assert report.frames == 19 and 'is truncated or damaged' in report.damage
    times = [time for time, *_ in read(tmp_path / 'lit.mp4')]
    assert times == pytest.approx([i / 10 for i in range(20) if i != 9], abs=1e-2)


@pytest.mark.parametrize('stop', [KeyboardInterrupt, ValueError])
def test_a_run_that_is_cut_leaves_nothing(tmp_path, stop):
    source = make(tmp_path / 'a.mkv', [blocks(i) for i in range(9)])
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/lit.mp4').write_text('of an earlier run')

    def cut(images, seconds):
        if seconds > 0.5:
            raise stop
        return images

    with pytest.raises(stop):
        enhance_video(cut, source, tmp_path / 'out/lit.mp4')
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['lit.mp4']
    assert (tmp_path / 'out/lit.mp4').read_text() == 'of an earlier run'


def no_index(path):
    make(path, [blocks(0)] * 5, 'libx264')
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b'moov') - 4])


def silent_picture(path):
    container = av.open(str(path), 'w')
    track = container.add_stream('aac', rate=44100, layout='mono')
    tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
    tone.rate = 44100
    container.mux(track.encode(tone))
    container.mux(track.encode(None))
    container.close()


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (lambda path: path.write_bytes(b''), 'no video, or it is truncated or damaged'),
        (lambda path: path.write_text('text'), 'no video, or it is truncated or damaged'),
        (no_index, 'no video, or it is truncated or damaged'),
        (lambda path: None, 'is not there'),
        (silent_picture, 'holds no video stream'),
        (lambda path: make(path, [blocks(0)] * 2, 'libx264', color_trc=16), 'is an HDR video.*SDR'),
    ],
)
def test_what_is_no_video_to_light_is_said_in_a_sentence(tmp_path, spoil, words):
    spoil(tmp_path / 'a.mp4')
    with pytest.raises(VideoError, match=f'`.*a.mp4` .*{words}'):
        enhance_video(same, tmp_path / 'a.mp4', tmp_path / 'lit.mp4')
    assert not (tmp_path / 'lit.mp4').exists()


def test_a_place_where_nothing_can_be_written(tmp_path):
    source = make(tmp_path / 'a.mkv', [blocks(0)] * 2)
    (tmp_path / 'file').touch()
    with pytest.raises(VideoError, match='cannot be written'):
        enhance_video(same, source, tmp_path / 'file/lit.mp4')
    with pytest.raises(VideoError, match='no suffix of a video'):
        enhance_video(same, source, tmp_path / 'lit.webm')


def test_without_pyav_a_sentence_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(VideoError, match='needs PyAV; install it with `pip install av`'):
        enhance_video(same, tmp_path / 'a.mp4', tmp_path / 'lit.mp4')
