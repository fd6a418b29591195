"""Enhancers in files of their own, outside of llv: by file, by import path, in configs and in other processes."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from llv.apis import enhancer_config, init_enhancer, plug_enhancer, registered_enhancers
from llv.models import EnhancementModel
from llv.models.enhancers.build import build_enhancer
from llv.registry import MODELS
from llv.utils.config import load_config
from llv.utils.imports import defines_class, import_file

CODE = """
import torch
from torch import nn
from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.registry import MODELS

@MODELS.register_module()
class {name}(BaseEnhancer):
    def __init__(self, gain: float = 2.0):
        super().__init__()
        self.register_buffer('gain', torch.tensor(float(gain)))

    def enhance(self, images):
        return Enhancement((self.gain * images).clamp(0, 1))
"""
IMAGES = torch.full((1, 3, 2, 2), 0.2)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working folder whose modules and enhancers are forgotten afterwards."""
    modules, registered = set(sys.modules), set(MODELS.module_dict)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    yield tmp_path
    for name in set(MODELS.module_dict) - registered:
        del MODELS._module_dict[name]
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], '__file__', '')):
            del sys.modules[name]


def write(path, name='Lamp'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CODE.format(name=name))
    return path


def lit(enhancer):
    return enhancer(IMAGES).image.unique().item()


@pytest.mark.parametrize('place', ['own_lamp.py', 'own_ideas/first/own_lamp.py'])
def test_a_file_below_the_working_folder_goes_by_its_import_path(home, place):
    write(home / place)
    full = place.removesuffix('.py').replace('/', '.') + '.Lamp'
    assert enhancer_config(place, gain=3.0) == dict(type=full, gain=3.0)
    assert enhancer_config(f'./{place}')['type'] == full
    assert enhancer_config(home / place)['type'] == full
    assert lit(init_enhancer(place, gain=3.0)) == pytest.approx(0.6)
    assert registered_enhancers()[full].__name__ == 'Lamp'


def test_a_file_elsewhere_goes_by_its_own_name(home, monkeypatch):
    file = write(home / 'not-a-package' / 'far_lamp.py')
    (home / 'here').mkdir()
    monkeypatch.chdir(home / 'here')
    assert enhancer_config(file)['type'] == 'far_lamp.Lamp'
    assert enhancer_config('../not-a-package/far_lamp.py')['type'] == 'far_lamp.Lamp'


@pytest.mark.parametrize(
    'name', ['path_lamp.Lamp', 'path_lamp.lamp', 'llv.Lamp', 'lamp', dict(type='llv.Lamp')]
)
def test_all_names_of_one_that_was_imported_mean_the_same(home, name):
    write(home / 'path_lamp.py')
    init_enhancer('path_lamp.py')
    assert enhancer_config(name)['type'] == 'path_lamp.Lamp'


def test_an_import_path_needs_no_file_and_no_import(home):
    write(home / 'late_lamp.py')
    assert lit(init_enhancer('late_lamp.Lamp')) == pytest.approx(0.4)


def test_configs_name_it_by_its_path_or_by_custom_imports(home):
    write(home / 'conf_lamp.py')
    model = "model = dict(type='llv.EnhancementModel', enhancer=dict(type='{}'))\n"
    (home / 'path.py').write_text(model.format('conf_lamp.Lamp'))
    (home / 'imports.py').write_text(
        "custom_imports = dict(imports=['conf_lamp'])\n" + model.format('llv.Lamp')
    )
    for file in ('path.py', 'imports.py'):
        built = MODELS.build(load_config(file).model)
        assert isinstance(built, EnhancementModel) and lit(built.enhancer) == pytest.approx(0.4)
        assert enhancer_config(file)['type'] == 'conf_lamp.Lamp'


def test_a_config_with_an_import_that_is_not_there_is_told(home):
    (home / 'c.py').write_text("custom_imports = dict(imports=['no_lamp'])\nx = 1\n")
    with pytest.raises(ValueError, match=r'`c.py` imports what is not there .*no_lamp.*PYTHONPATH'):
        load_config('c.py')


def _light_what_was_sent(cfg):
    return lit(build_enhancer(cfg['model']['data_preprocessor']['enhancer']))


def test_a_plugged_config_works_in_a_process_that_imported_nothing(home):
    write(home / 'sent_lamp.py')
    base = dict(type='ImgDataPreprocessor')
    cfg = Config(dict(model=dict(type='Toy', data_preprocessor=base)))
    plugged = plug_enhancer(cfg, 'sent_lamp.py', gain=4.0)
    assert plugged.model.data_preprocessor.enhancer == dict(type='sent_lamp.Lamp', gain=4.0)
    sys.path.insert(0, str(Path(__file__).parent))
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        found = pool.submit(_light_what_was_sent, plugged.to_dict()).result()
    assert found == pytest.approx(0.8)


@pytest.mark.parametrize(
    ('file', 'code', 'words'),
    [
        ('plain.py', 'class Lamp:\n    pass\n', '`plain.py` registers no enhancer; write'),
        ('my-lamp.py', CODE.format(name='Lamp'), 'rename the file to letters'),
        ('psenet2.py', CODE.format(name='PSENet'), 'PSENet is already registered.*another name'),
        ('json.py', CODE.format(name='Lamp'), 'another module is called `json`; rename the file'),
        (
            'two_lamps.py',
            CODE.format(name='Lamp') + CODE.format(name='Torch').partition('MODELS\n')[2],
            'several enhancers; name one of them: `two_lamps.Lamp`, `two_lamps.Torch`',
        ),
    ],
)
def test_a_file_that_cannot_be_taken_is_told(home, file, code, words):
    (home / file).write_text(code)
    with pytest.raises(ValueError, match=words):
        init_enhancer(file)


def test_an_error_in_the_file_is_for_its_author_to_see(home):
    (home / 'faulty_lamp.py').write_text('import no_such_module_of_mine\nclass Lamp: pass\n')
    for name in ('faulty_lamp.py', 'faulty_lamp.Lamp'):
        with pytest.raises(ModuleNotFoundError, match='no_such_module_of_mine'):
            init_enhancer(name)


def test_an_unknown_name_tells_of_files():
    with pytest.raises(ValueError, match='goes by the Python file that defines it'):
        init_enhancer('no_such_lamp')


def test_configs_are_not_taken_for_code(home):
    (home / 'c.py').write_text("enhancer = dict(type='llv.FixedGain', gain=3.0)\n")
    (home / 'd.py').write_text('class (')
    assert not any(defines_class(name) for name in ('c.py', 'd.py', 'gone.py', '.', 'psenet'))
    assert defines_class(write(home / 'e.py'))
    assert enhancer_config('c.py') == dict(type='llv.FixedGain', gain=3.0)


def test_what_is_installed_comes_before_the_working_folder(home):
    (home / 'tqdm').mkdir()
    (home / 'tqdm' / '__init__.py').write_text('')
    write(home / 'seen_lamp.py')
    init_enhancer('seen_lamp.py')
    import tqdm

    assert str(home) not in tqdm.__file__ and sys.path[-1] == str(home)


def test_the_same_file_is_imported_once(home):
    file = write(home / 'once_lamp.py')
    assert import_file(file) is import_file('once_lamp.py')
