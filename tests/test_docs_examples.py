"""Every command and every block of Python on every page: commands parse and name what is there, code runs."""

import ast
import re
from functools import cache

import mmengine.config.utils
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import Registry

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from docs_commands import PAGES, ROOT, blocks, check_command, commands, shell_lines  # noqa: E402
from new_parts import linked  # noqa: E402

import llv.registry  # noqa: E402
from llv.models.enhancers import TriCo  # noqa: E402
from llv.registry import METRICS  # noqa: E402
from llv.utils.pictures import write_picture  # noqa: E402

REGISTRIES = [kind for kind in vars(llv.registry).values() if isinstance(kind, Registry)]
# pages whose Python another test runs and looks at more closely
RUN_ELSEWHERE = {
    'configs/erl/README.md': 'test_configs_erl.py',  # builds the models and takes a step
    'docs/inference.md': 'test_docs_inference.py',  # compares what the snippets give
    'docs/plug_in.md': 'test_docs_plug_in.py',  # builds what is plugged, and trains
    'docs/tutorials/detector.md': 'test_tutorials.py',  # runs the scripts that the pages show
    'docs/tutorials/enhancer.md': 'test_tutorials.py',
    'docs/tutorials/photograph.md': 'test_tutorials.py',
}


def name(page):
    return page.relative_to(ROOT).as_posix()


def text_of(page):
    return page.read_text(encoding='utf-8')


# ---------------------------------------------------------------- what a reader has, made small


def a_picture(file):
    levels = np.random.default_rng(0).integers(0, 60, (40, 48, 3))
    write_picture(file, levels.astype(np.uint8))


def a_detector(file):
    file.write_text("_base_ = 'configs/night_scenes/ssd-small_night.py'\n")


def a_video(file):
    av = pytest.importorskip('av')
    with av.open(str(file), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, 'yuv420p'
        for level in (20, 30, 40):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), level, np.uint8), 'rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def an_exported_psenet(file):
    pytest.importorskip('onnxruntime')
    from llv.apis import export_onnx, init_enhancer

    export_onnx(init_enhancer('psenet-night-scenes'), file)


def a_trained_trico(file):
    torch.save(dict(state_dict=TriCo(2, prior='none').state_dict()), file)


def a_scorer(file):
    file.write_text('def score(picture):\n    return float(picture.mean())\n')


GIVEN = {
    'README.md': {'my_detector.py': a_detector, 'photo.jpg': a_picture},
    'docs/does_it_help.md': {'my_config.py': a_detector},
    'docs/enhance.md': {'night/church.jpg': a_picture, 'night/walk.mp4': a_video},
    'docs/index.md': {'my_detector.py': a_detector},
    'docs/metrics.md': {'my_package/metaiqa.py': a_scorer},
    'docs/onnx.md': {'psenet.onnx': an_exported_psenet, 'night.jpg': a_picture},
    'docs/plug_in.md': {'my_config.py': a_detector},
    'docs/trico.md': {
        'work_dirs/trico_rellisur-x2/iter_150000.pth': a_trained_trico,
        'night.png': a_picture,
    },
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a reader is: the folder of llv, with nothing in its `data` and `work_dirs` yet."""
    monkeypatch.chdir(linked(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def give(page, folder, suffixes):
    for file, make in GIVEN.get(name(page), {}).items():
        if file.endswith(suffixes):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            make(folder / file)


# ---------------------------------------------------------------- commands


@pytest.fixture(autouse=True, scope='module')
def metafiles_read_once():
    """mmengine reads every metafile of a package again for each config of it, most of the time that a config takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmengine.config.utils, 'load', cache(mmengine.config.utils.load))
        yield


WITH_COMMANDS = [page for page in PAGES if commands(text_of(page))]


@pytest.mark.parametrize('page', WITH_COMMANDS, ids=name)
def test_commands_of_a_page_parse_in_their_order(page, folder, monkeypatch):
    """What a command reads is given, written by the page, or comes from a training before it."""
    text = text_of(page)
    give(page, folder, '.py')
    for _, code in blocks(text):
        shown = re.match(r'# (\w+\.py)\n', code)
        if shown:  # a block that begins with the name of a file is that file
            (folder / shown[1]).write_text(code, encoding='utf-8')
    listed = commands(text)
    trained = {}
    for command in listed:
        cfg = check_command(command, monkeypatch, folder)
        if command[1] == 'tools/train.py' and cfg.work_dir not in trained:
            trained[cfg.work_dir] = cfg
            written = f'{cfg.work_dir}/{cfg.filename.rpartition("/")[2]}'
            if any(written in other for other in listed):
                (folder / cfg.work_dir).mkdir(parents=True)
                cfg.dump(folder / written)
        for file, kind, count in re.findall(
            r'(work_dirs/[\w./-]+)/(iter|epoch)_(\d+)\.pth', ' '.join(command)
        ):
            loop = last_step(trained[file]) if file in trained else last_step_of(file)
            assert (kind, int(count)) == loop, command


def last_step(cfg):
    """Of which kind and number the last checkpoint of a training is."""
    by_epoch = cfg.train_cfg.get('by_epoch') or 'max_epochs' in cfg.train_cfg
    return ('epoch', cfg.train_cfg.max_epochs) if by_epoch else ('iter', cfg.train_cfg.max_iters)


@cache
def last_step_of(work_dir):
    """The same of a config that another page trains."""
    found = [
        path
        for kind in ('configs', 'demo')
        for path in (ROOT / kind).rglob(f'{work_dir.rpartition("/")[2]}.py')
    ]
    configs = [Config.fromfile(path) for path in found]
    usual = f'work_dirs/{work_dir.rpartition("/")[2]}'
    steps = {last_step(cfg) for cfg in configs if cfg.get('work_dir', usual) == work_dir}
    assert len(steps) == 1, f'no command trains into `{work_dir}`'
    return steps.pop()


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_lines_of_shell_code_are_commands_that_are_looked_at(page):
    text = text_of(page)
    targets = re.findall(r'^(\w+):', (ROOT / 'Makefile').read_text(), flags=re.MULTILINE)
    extras = re.findall(r"^        '(\w+)': \[", (ROOT / 'setup.py').read_text(), re.MULTILINE)
    for line in shell_lines(text):
        if line[0] == 'make':
            assert {word for word in line[1:] if '=' not in word} <= set(targets), line
        elif line[0].startswith('LLV='):
            assert ' '.join(line) == 'LLV=$(python -c import llv; print(llv.__path__[0]))/.mim'
        else:
            known = ('python', 'bash', 'source')
            assert line[0] in known, line
            assert line[0] != 'source' or line[1] == '.venv/bin/activate'
    assert set(re.findall(r"pip install -e '\.\[(\w+)\]'", text)) <= set(extras)
    assert not re.search(r'pip install ["\']?llv', text), 'llv is on no package index'
    for language, code in blocks(text):
        assert language in ('bash', 'python', 'text', 'yaml', '')
        if language in ('text', ''):
            assert not re.search('^(python|bash|make|pip) ', code, flags=re.MULTILINE)


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_no_page_types_a_folder_whose_name_holds_a_digest(page):
    """It changes with the config; what a tool has written down as its own command may hold one."""
    text = re.sub(r'<!-- begin .*?<!-- end ', '', text_of(page), flags=re.DOTALL)
    assert not re.search(r'upstream/\w+_[0-9a-f]{8}\b', text)


# ---------------------------------------------------------------- Python


def python_of(page):
    return [code for language, code in blocks(text_of(page)) if language == 'python']


WITH_PYTHON = [page for page in PAGES if python_of(page) and name(page) not in RUN_ELSEWHERE]


@pytest.mark.parametrize('page', WITH_PYTHON, ids=name)
def test_python_of_a_page_runs(page, folder):
    """Blocks run in their order, in one namespace; a config is read, and what it names is registered."""
    give(page, folder, '')
    names = dict(__name__='__main__')
    for code in python_of(page):
        if not is_config(code):
            exec(compile(code, name(page), 'exec'), names)
            continue
        (folder / 'example.py').write_text(code, encoding='utf-8')
        cfg = Config.fromfile(folder / 'example.py')
        for kind in re.findall(r"type='(llv\.\w+)'", code):
            assert any(registry.get(kind) for registry in REGISTRIES), kind
        if '_base_' not in code:
            evaluators = cfg.get('test_evaluator', [])
            for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
                METRICS.build(evaluator)


def is_config(code):
    """Whether a block is a config or a part of one: it inherits, or sets nothing but plain values."""
    if re.search(r'^_base_ = |\{\{', code, flags=re.MULTILINE):
        return True
    body = ast.parse(code).body
    return all(isinstance(line, ast.Assign) and 'dict(' in ast.unparse(line.value) for line in body)


@pytest.mark.parametrize('page', RUN_ELSEWHERE)
def test_python_that_is_run_elsewhere_is(page):
    test = (ROOT / 'tests' / RUN_ELSEWHERE[page]).read_text(encoding='utf-8')
    named = 'SCRIPTS' if 'tutorials' in page else page.split('/')[-1]
    assert python_of(ROOT / page) and named in test
