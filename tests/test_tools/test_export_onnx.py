"""tools/export_onnx.py and llv.apis.export: the file computes what PyTorch computes."""

import json
import os
import runpy
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from llv.apis import init_enhancer, registered_enhancers
from llv.apis.export_decompositions import (
    arctangent,
    half_spectrum_to_signal,
    signal_to_half_spectrum,
)
from llv.models.enhancers.base import BaseEnhancer, Enhancement

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')

from llv.apis import export  # noqa: E402

TOOL = Path(__file__).parents[2] / 'tools' / 'export_onnx.py'

CONSTANT = "leaves PyTorch's tensors"
# what ONNX cannot hold, and why
UNEXPORTABLE = {
    'llv.HistogramEqualization': CONSTANT,
    'llv.CLAHE': CONSTANT,
    'llv.IAGCWD': CONSTANT,
}
# tracing them takes long; `LLV_SLOW_TESTS=1` runs them too. A test below exports `RUAS`.
SLOW = set('CLAHE DRBN ECLNet IAGCWD IAT PSENet RUAS SCI SID TriCo ZeroDCE'.split())
# rounding in its Fourier transforms turns phases between π and −π, which its convolutions see
INEXACT = {'llv.FECNet'}
# these are not built without options
NEEDS_OPTIONS = {'llv.Precomputed', 'llv.Cascade'}
VARIANTS = [
    ('llv.RUAS', dict(version='RUAS')),
    ('llv.RUAS', dict(version='RUAS_A')),
    ('llv.TriCo', dict(scale=4)),
]
# the same operators with fewer layers, since tracing takes minutes
NARROW = {
    'llv.TriCo': dict(width=16, illumination_width=8, blocks=(1, 1, 1, 1), heads=(1, 2, 4, 8))
}


@pytest.fixture
def run(monkeypatch, capsys):
    monkeypatch.delenv('LLV_DEBUG', raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            runpy.run_path(str(TOOL), run_name='__main__')
        return leaving.value.code, *capsys.readouterr()

    return call


def own(name):
    return name.startswith('llv.') and registered_enhancers()[name].__module__.startswith('llv.')


@pytest.mark.parametrize(
    'name, options',
    [(name, {}) for name in sorted(filter(own, registered_enhancers()))] + VARIANTS,
    ids=lambda v: v if isinstance(v, str) else '-'.join(map(str, v.values())) or 'default',
)
def test_every_enhancer_is_exported_or_refused_with_a_reason(tmp_path, name, options):
    if name in NEEDS_OPTIONS:
        pytest.skip(f'{name} is not built without options')
    if name in INEXACT:
        pytest.skip(f'{name} is exported, but not to 1e-4')
    if name.removeprefix('llv.') in SLOW and not os.environ.get('LLV_SLOW_TESTS'):
        pytest.skip(f'exporting {name} takes long; set LLV_SLOW_TESTS=1')
    torch.manual_seed(0)
    enhancer = init_enhancer(name, **NARROW.get(name, {}), **options)
    file = tmp_path / 'x.onnx'
    if name in UNEXPORTABLE:
        with pytest.raises(ValueError, match=UNEXPORTABLE[name]):
            export.export_onnx(enhancer, file)
        assert not file.exists()
        return
    export.export_onnx(enhancer, file)
    least = enhancer.minimum_size
    batches = export.check_batches([f'{least}x90', f'90x{least}'], least)
    assert max(export.compare_onnx(enhancer, file, list(batches.values()))) < 1e-4


def test_the_tool_writes_a_file_that_other_programs_can_use(run, tmp_path):
    photo, out = tmp_path / 'photo.png', tmp_path / 'new' / 'ruas.onnx'
    noise = torch.randint(0, 80, (21, 34, 3), dtype=torch.uint8)
    Image.fromarray(noise.numpy()).save(photo)
    status, stdout, _ = run('--enhancer', 'ruas', '--out', out, '--check', photo, '9x70')
    assert status == 0 and 'photo.png' in stdout and '1 of 9x70' in stdout

    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ['images']
    assert [value.name for value in model.graph.output] == ['enhanced']
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        assert [d.dim_param or d.dim_value for d in dims] == ['N', 3, 'H', 'W']
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about['enhancer'] == 'RUAS' and about['weights'] == 'random'
    assert json.loads(about['options'])['variant'] == 'journal'
    assert str(tmp_path) not in str(about)

    picture = noise.permute(2, 0, 1)[None].float() / 255
    session = onnxruntime.InferenceSession(str(out))
    (lit,) = session.run(None, {'images': picture.numpy()})
    torch.manual_seed(0)
    wanted = init_enhancer('ruas')(picture).image.detach()
    torch.testing.assert_close(torch.from_numpy(lit), wanted, rtol=0, atol=1e-5)


def test_a_file_of_other_weights_does_not_pass(tmp_path):
    file = tmp_path / 'x.onnx'
    export.export_onnx(init_enhancer('fixed_gain', gain=2.0), file)
    picture = torch.full((1, 3, 4, 4), 0.1)
    same, other = (
        export.compare_onnx(init_enhancer('fixed_gain', gain=gain), file, [picture])[0]
        for gain in (2.0, 3.0)
    )
    assert same < 1e-6 and other == pytest.approx(0.1)


def test_what_onnx_cannot_hold_is_refused_in_a_sentence(run, tmp_path):
    out = tmp_path / 'x.onnx'
    status, _, err = run('--enhancer', 'histogram_equalization', '--out', out)
    assert status == 2 and not out.exists()
    last = err.strip().splitlines()[-1]
    assert (
        last.startswith('error: `HistogramEqualization` cannot be exported to ONNX: ')
        and CONSTANT in last
    )
    # nothing of the exporter's own reports
    assert len(err.strip().splitlines()) <= 2


class Gated(BaseEnhancer):
    def enhance(self, images):
        return Enhancement(images if images.mean() > 0.5 else images.sqrt())


def test_a_choice_by_the_values_is_told(tmp_path):
    with pytest.raises(ValueError, match='depends on the values of the picture'):
        export.export_onnx(Gated().eval(), tmp_path / 'x.onnx')


class Unknown(BaseEnhancer):
    def enhance(self, images):
        return Enhancement(torch.linalg.svd(images)[0])


def test_an_operator_that_onnx_lacks_is_named(tmp_path):
    with pytest.raises(ValueError, match='ONNX has no operator for `aten._linalg_svd`'):
        export.export_onnx(Unknown().eval(), tmp_path / 'x.onnx')


def test_training_mode_is_refused(tmp_path):
    with pytest.raises(ValueError, match='`Unknown` is in training mode'):
        export.export_onnx(Unknown(), tmp_path / 'x.onnx')


class Spectral(BaseEnhancer):
    """Everything that enhancers do with spectra."""

    minimum_size = 3

    def enhance(self, images):
        spectrum = torch.fft.rfft2(images)
        # half of a phase shows whether it was π or −π
        phase = torch.atan2(spectrum.imag, spectrum.real) / 2
        magnitude = torch.hypot(spectrum.real, spectrum.imag) * 1.5
        spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
        raw = torch.fft.irfft2(spectrum, s=images.shape[-2:])
        return Enhancement(raw.clamp(0, 1), dict(raw=raw))


def test_spectra_are_exported_for_even_and_odd_sizes(tmp_path):
    file = tmp_path / 'x.onnx'
    enhancer = Spectral().eval()
    assert export.export_onnx(enhancer, file)['minimum_size'] == '3'
    batches = list(export.check_batches(['8x13', '13x8', '7x9'], 3).values())
    assert max(export.compare_onnx(enhancer, file, batches)) < 1e-4


@pytest.mark.parametrize('height, width', [(1, 1), (4, 2), (3, 5), (5, 6), (6, 7)])
@pytest.mark.parametrize('mode, norm', [(0, 'backward'), (1, 'ortho'), (2, 'forward')])
def test_the_transforms_are_those_of_torch(height, width, mode, norm):
    signal = torch.rand(2, 3, height, width, dtype=torch.float64)
    spectrum = torch.fft.rfft2(signal, norm=norm)
    torch.testing.assert_close(signal_to_half_spectrum(signal, [2, 3], mode, True), spectrum)
    # any spectrum, not only one that a signal has
    spectrum = spectrum + torch.rand_like(spectrum)
    inverse = dict(backward='forward', forward='backward').get(norm, norm)
    torch.testing.assert_close(
        half_spectrum_to_signal(spectrum, [2, 3], mode, width),
        torch.fft.irfft2(spectrum, s=(height, width), norm=inverse),
    )


class MixedBounds(BaseEnhancer):
    def enhance(self, images):
        return Enhancement((images / images.mean().clamp_(1e-4, 1)).clamp(0, 1))


def test_bounds_of_two_kinds_are_exported(tmp_path):
    file = tmp_path / 'x.onnx'
    enhancer = MixedBounds().eval()
    export.export_onnx(enhancer, file)
    assert export.compare_onnx(enhancer, file, [torch.rand(1, 3, 9, 4)])[0] < 1e-6


def test_the_arctangent_is_that_of_torch():
    values = torch.tensor([-2.0, -1.0, 0.0, 1e-3, 3.0])
    y, x = torch.meshgrid(values, values, indexing='ij')
    torch.testing.assert_close(arctangent(y, x), torch.atan2(y, x))


def test_tiles_are_refused_before_anything_is_traced(tmp_path):
    enhancer = init_enhancer('trico', width=4, heads=(1, 1, 1, 1), tile=64)
    with pytest.raises(ValueError, match='with `tile=64`, because a graph takes'):
        export.export_onnx(enhancer, tmp_path / 'x.onnx')


def test_checks_too_small_for_the_file_are_told():
    assert list(export.check_batches([], 5))[0] == '1 of 5x5'
    with pytest.raises(ValueError, match='`4x9` is smaller than the 5 pixels'):
        export.check_batches(['4x9'], 5)


def test_checks_that_no_memory_holds_are_told():
    with pytest.raises(ValueError, match='of 99999999x99999999 does not fit into memory'):
        export.check_batches(['99999999x99999999'], 1)


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['identity', '--options', 'x'], '`--options x` has no `=`; write `key=value`.'),
        (['precomputed'], '`Precomputed` needs `originals` and `folder`'),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(run, tmp_path, arguments, words):
    status, _, err = run('--out', tmp_path / 'x.onnx', '--enhancer', *arguments)
    assert status == 2 and words in err.splitlines()[-1]


def test_a_folder_as_the_file_is_told_before_the_export(run, tmp_path):
    status, _, err = run('--enhancer', 'identity', '--out', tmp_path)
    assert status == 2 and f'--out: `{tmp_path}` is a folder: name the file in it\n' in err


class Outside(BaseEnhancer):
    def enhance(self, images):
        return Enhancement(torch.from_numpy(images.numpy() ** 0.5))


def test_code_outside_of_tensors_is_told(tmp_path):
    with pytest.raises(ValueError, match="its code leaves PyTorch's tensors|or leaves PyTorch"):
        export.export_onnx(Outside().eval(), tmp_path / 'x.onnx')


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(export, 'NEEDED', ('onnx', 'no_such_package'))
    with pytest.raises(ModuleNotFoundError, match=r'`no_such_package`, the extra `export`'):
        export.require_packages()
