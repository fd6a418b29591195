"""What is behind the web page, without gradio: choices, options, pictures and the work."""

import inspect
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from toys import LearnedGain

from llv.apis import enhance, init_enhancer, registered_enhancers
from llv.apis.app.choices import offered
from llv.apis.app.controls import Control, changed, controls_of
from llv.apis.app.detection import Found
from llv.apis.app.examples import write_examples
from llv.apis.app.pictures import DISPLAY_SIDE, draw_boxes, fit, map_pictures
from llv.apis.app.workbench import Workbench
from llv.models.enhancers import BaseEnhancer
from llv.models.enhancers.published import PUBLISHED
from llv.registry import MODELS
from llv.utils.errors import explain
from llv.utils.pictures import PictureError, read_picture


class Greedy(BaseEnhancer):
    """Wants more memory than there is."""

    def enhance(self, images):
        raise MemoryError


@pytest.fixture(scope='module')
def everything():
    return offered()


@pytest.fixture
def choose(everything):
    return lambda name: next(choice for choice in everything if choice.name == name)


@pytest.fixture
def greedy():
    """Registered for one test: other files of tests count the enhancers that there are."""
    MODELS.register_module(module=Greedy)
    yield Greedy
    del MODELS.module_dict['Greedy']


@pytest.fixture
def bench(tmp_path):
    return Workbench(tmp_path / 'results')


@pytest.fixture
def dark(tmp_path):
    """A dark picture file, a smooth ramp with noise, 60 × 90."""
    ramp = np.linspace(0, 70, 90)[None, :, None] * np.array([1, 0.8, 0.5])
    noise = np.random.default_rng(0).uniform(0, 12, (60, 90, 3))
    file = tmp_path / 'walk.png'
    cv2.imwrite(str(file), np.rint(ramp + noise).astype(np.uint8))
    return file


def test_all_published_weights_and_all_enhancers_without_required_options_are_offered_once(
    everything,
):
    names = [choice.name for choice in everything]
    assert len(set(names)) == len(names)
    wanted = set(PUBLISHED)
    for full, kind in registered_enhancers().items():
        if all(p.default is not p.empty for p in inspect.signature(kind).parameters.values()):
            wanted.add(full.removeprefix('llv.'))
    assert set(names) == wanted
    assert {'Precomputed', 'Cascade'}.isdisjoint(names)
    assert names[0] == 'psenet-night-scenes'  # it is there, and small


def test_titles_mark_what_is_not_on_this_machine_until_it_is_there(monkeypatch, tmp_path, choose):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert choose('psenet-night-scenes').title == 'psenet-night-scenes (PSENet)'
    assert choose('MeanMatch').title == 'MeanMatch'
    assert choose('PSENet').title == 'PSENet, untrained'
    assert choose('sci-easy').title == 'sci-easy (SCI), to be put there by hand'
    sice = choose('psenet-sice')
    assert sice.title == 'psenet-sice (PSENet), not yet downloaded'
    assert 'Not yet downloaded' in sice.about and 'BSD-3-Clause' in sice.about
    sice.row.file.parent.mkdir(parents=True)
    sice.row.file.write_bytes(b'')
    assert sice.title == 'psenet-sice (PSENet)' and 'downloaded' not in sice.about


def test_named_enhancers_weights_and_config_files_are_the_only_choices(tmp_path):
    config = tmp_path / 'quarter.py'
    config.write_text("enhancer = dict(type='llv.SCI', estimate_scale=0.25)\n")
    choices = offered(['ruas-night-scenes', 'mean_match', str(config), 'mean_match'])
    assert [choice.kind.__name__ for choice in choices] == ['RUAS', 'MeanMatch', 'SCI']
    assert choices[2].title == 'quarter.py, untrained'
    # what the config says is where the slider starts
    (control,) = controls_of(choices[2])
    assert (control.option, control.default) == ('estimate_scale', 0.25)
    with pytest.raises(ValueError, match='no registered enhancer'):
        offered(['psenett'])


def test_every_value_of_a_control_builds_its_enhancer(everything):
    found = {}
    for choice in everything:
        for control in controls_of(choice):
            found.setdefault(choice.kind.__name__, []).append(control.option)
            values = control.choices or (control.low, control.high, control.default)
            assert control.default in values
            if choice.row is None:
                for value in filter(lambda v: v is not None, values):
                    init_enhancer(choice.name, **{control.option: type(control.default)(value)})
    assert found['FixedGain'] == ['gain'] and found['Gamma'] == ['gamma']
    assert set(found['PSENet']) == set(found['IAT']) == {'estimate_scale'}
    assert found['MeanMatch'] == ['target', 'per_channel']
    assert 'training_stages' not in found['SCI']


def test_an_enhancer_from_elsewhere_has_a_control_for_each_simple_option():
    assert not LearnedGain.__module__.startswith('llv.')
    (name,) = (name for name, kind in registered_enhancers().items() if kind is LearnedGain)
    (choice,) = offered([name])
    assert controls_of(choice) == (Control('value', 1.5),)
    assert choice.takes_weights and not choice.is_trained


def test_options_that_are_as_they_were_are_not_given():
    controls = [Control('gain', 1.0), Control('scale', 2), Control('mode', 'bicubic')]
    assert changed(controls, dict(gain=1, scale=2.0, mode='bicubic')) == {}
    given = changed(controls, dict(gain=3, scale=4.0, mode=None))
    assert given == dict(gain=3.0, scale=4)
    assert [type(value) for value in given.values()] == [float, int]


@pytest.mark.parametrize(
    ('name', 'options'),
    [('psenet-night-scenes', {}), ('psenet-night-scenes', dict(estimate_scale=0.5)), ('CLAHE', {})],
)
def test_the_file_holds_what_enhance_returns(bench, choose, dark, name, options):
    lit = bench.light(dark, choose(name), options=options)
    expected = enhance(init_enhancer(name, **options), dark)
    assert lit.file.name == f'walk_{name}.png'
    np.testing.assert_array_equal(read_picture(lit.file), expected)
    np.testing.assert_array_equal(lit.after, expected)
    np.testing.assert_array_equal(lit.before, read_picture(dark))
    size, time, level = lit.facts
    assert size == '90 × 60 pixels'
    assert re.fullmatch(r'lit in \d+ ms on cpu', time)
    before, after = (int(text) for text in re.findall(r'(\d+) %', level))
    assert before == pytest.approx(100 * read_picture(dark).mean() / 255, abs=0.51)
    assert after == pytest.approx(100 * expected.mean() / 255, abs=0.51)
    assert lit.detections == []


def test_weights_of_the_user_take_the_place_of_the_published_ones(bench, choose, dark, tmp_path):
    torch.manual_seed(0)
    module = init_enhancer('psenet')
    torch.save(module.state_dict(), tmp_path / 'mine.pth')
    for choice in (choose('psenet-night-scenes'), choose('PSENet')):
        lit = bench.light(dark, choice, tmp_path / 'mine.pth')
        np.testing.assert_array_equal(read_picture(lit.file), enhance(module, dark))
        assert len(lit.facts) == 3
    assert 'untrained' in bench.light(dark, choose('PSENet')).facts[-1]


def test_large_and_deep_pictures_are_shrunk_for_the_screen_only(bench, choose, tmp_path):
    file = tmp_path / 'wide.png'
    deep = np.full((20, 2 * DISPLAY_SIDE, 3), 1000, np.uint16)
    deep[:, :DISPLAY_SIDE] = 3000
    cv2.imwrite(str(file), deep)
    lit = bench.light(file, choose('FixedGain'), options=dict(gain=8.0))
    assert lit.before.shape == lit.after.shape == (10, DISPLAY_SIDE, 3)
    assert lit.before.dtype == np.uint8 and lit.before[5, 5, 0] == round(3000 / 257)
    full = read_picture(lit.file)
    assert full.shape == deep.shape and full[5, -5, 0] == round(8000 / 257)


def test_an_enlarged_result_lies_over_a_picture_of_its_size(bench, choose, dark):
    lit = bench.light(dark, choose('Enlarge'), options=dict(scale=3))
    assert lit.before.shape == lit.after.shape == (180, 270, 3)
    np.testing.assert_array_equal(lit.before[::3, ::3], read_picture(dark))
    assert lit.facts[0] == '90 × 60 to 270 × 180 pixels'


def test_the_enhancer_stays_for_the_next_picture_and_the_last_result_goes(bench, choose, dark):
    first = bench.light(dark, choose('PSENet'))
    again = bench.light(dark, choose('PSENet'))
    # another one would start from other random weights
    np.testing.assert_array_equal(again.after, first.after)
    other = bench.light(dark, choose('CLAHE'))
    assert other.file.is_file() and not first.file.exists()
    changed_option = bench.light(dark, choose('CLAHE'), options=dict(clip_limit=16.0))
    assert (changed_option.after != other.after).any()


def test_what_does_not_fit_into_memory_is_said_in_a_sentence(bench, dark, greedy):
    (name,) = (name for name, kind in registered_enhancers().items() if kind is greedy)
    with pytest.raises(ValueError, match='90 × 60 pixels needs more memory') as caught:
        bench.light(dark, offered([name])[0])
    assert 'shrink' in explain(caught.value)


def test_what_is_no_picture_is_refused_before_anything_else(bench, choose, tmp_path):
    (tmp_path / 'words.png').write_text('no picture')
    with pytest.raises(PictureError, match='no picture'):
        bench.light(tmp_path / 'words.png', choose('psenet-night-scenes'))


def test_maps_are_shown_with_their_range_and_the_raw_result_is_not(dark, bench, choose):
    ramp = torch.linspace(2, 4, 12).view(1, 1, 3, 4)
    maps = dict(raw=torch.rand(1, 3, 3, 4), gamma=ramp, color=torch.rand(1, 3, 3))
    ((picture, caption),) = map_pictures({**maps, 'curves': torch.rand(1, 24, 3, 4)})
    assert caption == 'gamma, 2 to 4'
    # from the darkest to the brightest colour
    assert picture.shape == (3, 4, 3) and np.all(np.diff(picture.astype(int).sum(2).ravel()) > 0)
    module = init_enhancer('psenet-night-scenes')
    images = torch.from_numpy(read_picture(dark).transpose(2, 0, 1)[None] / np.float32(255))
    with torch.no_grad():
        gamma = module(images).maps['gamma']
    ((_, caption),) = bench.light(dark, choose('psenet-night-scenes')).maps
    assert caption == f'gamma, {gamma.min():.3g} to {gamma.max():.3g}'
    assert bench.light(dark, choose('MeanMatch')).maps == []


def test_shrinking_keeps_proportions_and_leaves_small_pictures_alone():
    small = np.zeros((10, 20, 3), np.uint8)
    assert fit(small, 20) is small
    assert fit(small, 5).shape == (2, 5, 3)
    assert fit(np.zeros((4000, 3, 3), np.uint8), 100).shape == (100, 1, 3)


def test_boxes_are_drawn_where_they_are_also_on_an_enlarged_picture():
    picture = np.zeros((100, 120, 3), np.uint8)
    found = [Found((30, 40, 70, 90), 0, 'ring', 0.5)]
    once, twice = (
        draw_boxes(picture, found),
        draw_boxes(picture.repeat(2, 0).repeat(2, 1), found, 2),
    )
    assert not picture.any()
    for canvas, scale in ((once, 1), (twice, 2)):
        drawn = canvas.any(axis=2)
        rows, columns = np.nonzero(drawn[60 * scale : 91 * scale])  # below the letters
        assert columns.min() == 30 * scale and columns.max() == 70 * scale
        assert rows.max() + 60 * scale == 90 * scale
        assert not drawn[60 * scale : 88 * scale, 32 * scale : 68 * scale].any()
    assert not draw_boxes(picture, []).any()


def test_examples_are_dark_and_the_same_each_time(tmp_path):
    first, again = (write_examples(tmp_path / name) for name in 'ab')
    assert len(first) == 3
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert read_picture(one).mean() < 0.2 * 255


def test_llv_alone_does_not_import_the_page_which_without_gradio_names_the_extra():
    code = (
        'import sys, llv.apis\n'
        "assert not [name for name in sys.modules if name.startswith(('gradio', 'llv.apis.app'))]\n"
        "sys.modules['gradio'] = None\n"
        'from llv.utils.errors import friendly_errors\n'
        'with friendly_errors():\n    import llv.apis.app.page'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().endswith(
        'error: The page needs `gradio`, of the extra `app`: `make env` has it; elsewhere run '
        "`pip install -e '.[app]'` in the folder of llv."
    )
