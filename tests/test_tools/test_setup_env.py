"""The set-up script, the pins, and what a wheel of llv holds."""

import ast
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools' / 'setup_env.py'
spec = importlib.util.spec_from_file_location('setup_env', SCRIPT)
setup_env = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup_env)
ONEDL, OPENMMLAB = setup_env.ONEDL, setup_env.OPENMMLAB
# beside what comes with an installed llv
OF_A_RELEASE = (
    'llv docs requirements tests setup.py pyproject.toml mkdocs.yml Makefile MANIFEST.in '
    'README.md CHANGELOG.md CONTRIBUTING.md CITATION.cff LICENSE .pre-commit-config.yaml'
).split()
STACKS = pytest.mark.parametrize('stack', [ONEDL, OPENMMLAB], ids=lambda stack: stack.name)


# ------------------------------------------------------------------------ what is refused, and how


def test_python_too_new(monkeypatch, tmp_path):
    def program(name, status):
        (tmp_path / name).write_text(f'#!/bin/sh\nexit {status}\n')
        (tmp_path / name).chmod(0o755)
        return str(tmp_path / name)

    monkeypatch.setenv('PATH', str(tmp_path))
    program('python3.12', 127)  # as a version manager without that version has it
    sentence = r'Python 3\.13 .* `make PYTHON=python3\.12 test`'
    with pytest.raises(setup_env.SetupError, match=sentence):
        setup_env.find_python(False, (3, 13))
    other = program('python3.11', 0)
    assert setup_env.find_python(False, (3, 13)) == other
    with pytest.raises(setup_env.SetupError, match=sentence):
        setup_env.find_python(True, (3, 13))
    assert setup_env.find_python(True, (3, 10)) == sys.executable


def test_no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv('CXX', 'no-such-compiler -O1')
    with pytest.raises(setup_env.SetupError, match='no C\\+\\+ compiler `no-such-compiler`'):
        setup_env.check_compiler(str(tmp_path), 'mmcv')
    monkeypatch.setenv('CXX', sys.executable)
    with pytest.raises(setup_env.SetupError, match='`Python.h` is not in'):
        setup_env.check_compiler(str(tmp_path), 'mmcv')
    (tmp_path / 'Python.h').touch()
    setup_env.check_compiler(str(tmp_path), 'mmcv')


def test_no_disk_space(tmp_path):
    setup_env.check_disk(tmp_path / 'not' / 'yet', 0)
    with pytest.raises(setup_env.SetupError, match='GiB left and the set-up needs about 1e\\+09'):
        setup_env.check_disk(tmp_path / 'not' / 'yet', 1e9)


@pytest.mark.parametrize(
    'stack, names, words',
    [
        (ONEDL, ['onedl_mmcv-2.3.6', 'opencv_python_headless-4.12.0'], None),
        (ONEDL, ['onedl_mmcv-2.3.6', 'mmcv-2.1.0'], '`mmcv` is in `.venv`'),
        (ONEDL, ['mmcv_lite-2.1.0', 'mmsegmentation-1.2.2'], '`mmcv-lite`, `mmsegmentation`'),
        (ONEDL, ['opencv_python-4.12.0', 'opencv_python_headless-4.12.0'], '`opencv-python-headl'),
        (OPENMMLAB, ['mmcv-2.1.0', 'mmengine-0.10.7', 'opencv_python_headless-4.11.0'], None),
        (OPENMMLAB, ['mmcv-2.1.0', 'onedl_mmengine-0.10.12'], '`onedl-mmengine` is in `.venv-op'),
    ],
)
def test_conflicts(tmp_path, stack, names, words):
    for name in names:
        (tmp_path / f'{name}.dist-info').mkdir()
    found = setup_env.installed(tmp_path)
    if words is None:
        setup_env.check_conflicts(found, stack)
    else:
        remedy = f'remove `{stack.venv}` and run `{stack.make}` again'
        with pytest.raises(setup_env.SetupError, match=remedy) as error:
            setup_env.check_conflicts(found, stack)
        assert words in str(error.value)


def test_every_command_names_its_stack():
    assert (ONEDL.make, OPENMMLAB.make) == ('make env', 'make env STACK=openmmlab')


@STACKS
def test_make_runs_in_the_environment_of_the_stack(stack):
    if shutil.which('make') is None:
        pytest.skip('make is not installed')
    command = ['make', '-n', 'test', f'STACK={stack.name}', 'PYTHON=python3.12']
    lines = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    assert f'python3.12 tools/setup_env.py --stack {stack.name} --exact-python' in lines
    assert f' {stack.venv}/bin/python -m pytest ' in lines[-1]


def test_a_stack_that_does_not_exist_is_refused():
    result = subprocess.run(
        [sys.executable, SCRIPT, '--stack', 'mmlab'], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert 'invalid choice' in result.stderr and 'openmmlab' in result.stderr


def test_command_line_prints_one_sentence(tmp_path):
    """A checkout whose pins are gone: the sentence and status 1, no traceback."""
    (tmp_path / 'tools').mkdir()
    shutil.copy(SCRIPT, tmp_path / 'tools')
    result = subprocess.run(
        [sys.executable, tmp_path / 'tools' / 'setup_env.py', '--check'],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith('set-up: `onedl-mmcv` is pinned in no file')


# --------------------------------------------------------------------------------- pins and stamp


def exact_pins():
    """The distributions that `requirements/` pins to one version, of both stacks."""
    for file in sorted((ROOT / 'requirements').rglob('*.txt')):
        yield from re.findall(r'^([\w-]+)===?[\d.]+$', file.read_text(), re.MULTILINE)


@pytest.mark.parametrize('name', list(exact_pins()))
def test_pins_are_what_is_installed(name):
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f'{name} is not installed: not the environment of `make env`, or another stack')
    assert version.split('+')[0] == setup_env.read_pin(name)


def test_each_stack_pins_its_packages():
    pinned = set(exact_pins())
    assert pinned & set(ONEDL.others) == {
        'mmengine', 'mmcv', 'mmdet', 'mmsegmentation', 'mmpretrain',
    }  # fmt: skip
    assert set(OPENMMLAB.others) <= pinned
    assert {ONEDL.mmcv, OPENMMLAB.mmcv} == {'onedl-mmcv', 'mmcv'}


def test_torch_is_pinned_to_the_very_text():
    assert '\ntorch===' in (ROOT / 'requirements' / 'torch.txt').read_text()


def requirement_names(lines) -> set:
    """The distributions that lines of a requirements file, or an extra, name."""
    lines = [line.split('#')[0].strip() for line in lines]
    return {re.match(r'[\w-]+', line)[0] for line in lines if line}


def extras() -> dict:
    call = ast.parse((ROOT / 'setup.py').read_text()).body[-1].value
    return ast.literal_eval(next(k.value for k in call.keywords if k.arg == 'extras_require'))


@pytest.mark.parametrize('extra', ['metrics', 'export', 'video', 'heif', 'app', 'docs', 'tests'])
def test_extras_are_what_the_set_up_installs(extra):
    pinned = (ROOT / 'requirements' / f'{extra}.txt').read_text().splitlines()
    assert requirement_names(extras()[extra]) <= requirement_names(pinned)
    for name in requirement_names(pinned):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f'{name} is not installed: not the environment of `make env`')


def test_the_extra_all_names_every_extra_of_users():
    (line,) = extras()['all']
    named = set(re.fullmatch(r'llv\[(.*)\]', line)[1].split(','))
    assert named == set(extras()) - {'onedl', 'openmmlab', 'all', 'tests', 'dev'}


@STACKS
def test_every_requirements_file_reaches_pip(monkeypatch, tmp_path, stack):
    """With pip and the making of the environment left out: a new one, with mmcv's wheel built before."""
    commands, venv = [], tmp_path / stack.venv

    class Subprocess:  # makes no environment and checks none
        def __getattr__(self, name):
            return getattr(subprocess, name)

        @staticmethod
        def run(command, **_):
            venv.mkdir(exist_ok=True)
            return subprocess.CompletedProcess(command, 0)

    def pip(self, command, remedy, **_):
        commands.append([str(word) for word in command])

    monkeypatch.setattr(setup_env, 'ROOT', tmp_path)
    for name in ('setup.py', 'tools/setup_env.py'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(setup_env, 'DISK_GIB', 0)
    monkeypatch.setattr(setup_env, 'cached_wheel', lambda folder: tmp_path / 'mmcv.whl')
    monkeypatch.setattr(setup_env, 'subprocess', Subprocess())
    monkeypatch.setattr(setup_env.Progress, 'run', pip)
    setup_env.set_up(exact=False, stack=stack)

    folder = ROOT / 'requirements'
    given = {Path(word) for command in commands for word in command if word.endswith('.txt')}
    expected = {*folder.glob('*.txt'), *(folder / stack.name).glob('*.txt')}
    assert given == expected - {folder / stack.name / 'mmcv.txt'}
    for command in commands:
        assert command[0].startswith(str(venv))
        # numpy and OpenCV are those of the stack, whoever asks for them
        assert command[command.index('-c') + 1] == str(folder / stack.name / 'constraints.txt')
        # whatever asks for torch is resolved beside its pin, or without dependencies
        names = {Path(word).name for word in command}
        if names & {'metrics.txt', 'export.txt', 'openmm.txt'}:
            assert 'torch.txt' in names or '--no-deps' in names
    assert str(tmp_path / 'mmcv.whl') in commands[-2]
    assert (venv / 'llv-setup').is_file()


@pytest.fixture
def ready(tmp_path):
    """A checkout whose set-up has finished."""
    for name in ('tools', 'llv/.mim', 'configs', '.venv'):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / 'tools')
    shutil.copy(ROOT / 'setup.py', tmp_path)
    shutil.copytree(ROOT / 'requirements', tmp_path / 'requirements')
    for name in ('configs', 'tools'):
        (tmp_path / 'llv' / '.mim' / name).symlink_to(tmp_path / name)
    (tmp_path / '.venv' / 'llv-setup').write_text(setup_env.fingerprint(tmp_path, '3.11', ONEDL))
    return tmp_path


def test_ready_until_something_changes(ready):
    def is_ready(version='3.11', stack=ONEDL):
        return setup_env.is_ready(ready, version, stack)

    assert is_ready()
    assert not is_ready('3.12')
    assert not is_ready(stack=OPENMMLAB)  # has no environment yet
    pins = ready / 'requirements' / 'onedl' / 'mmcv.txt'
    text = pins.read_text()
    pins.write_text(text.replace('2.3', '2.4'))
    assert not is_ready()
    pins.write_text(text)
    (ready / 'requirements' / 'openmmlab' / 'mmcv.txt').write_text('mmcv==2.0.1')  # of the other
    assert is_ready()
    (ready / 'demo').mkdir()  # has no link under llv/.mim yet
    assert not is_ready()


def test_moved_checkout_is_not_ready(ready):
    moved = ready.with_name('moved')
    ready.rename(moved)
    assert not setup_env.is_ready(moved, '3.11', ONEDL)


# --------------------------------------------------------------------------------- the mmcv wheel


def test_cache_key(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    parts = ['mmcv', '2.1.0', '2.13.0', 'cpython-311', 'linux-x86_64']
    folders = {setup_env.cache_folder(*parts)}
    for index in range(5):
        folders.add(setup_env.cache_folder(*parts[:index], 'other', *parts[index + 1 :]))
    assert len(folders) == 6
    assert {folder.parent for folder in folders} == {tmp_path / 'llv' / 'wheels'}


def fake_pip(tmp_path: Path, tail: str) -> Path:
    """A stand-in for the Python that runs `pip wheel`; writes half a wheel, then runs `tail`."""
    python = tmp_path / 'python'
    python.write_text(
        '#!/bin/sh\nwhile [ "$1" != -w ]; do shift; done\n'
        f'mkdir -p "$2"; echo half > "$2/mmcv.whl"; echo "  [1/2] c++ a.cpp"\n{tail}\n'
    )
    python.chmod(0o755)
    return python


def test_build_reaches_the_cache_whole(tmp_path):
    folder = tmp_path / 'cache' / 'key'
    progress = setup_env.Progress(1, tmp_path / 'log')
    python = fake_pip(tmp_path, 'echo half >> "$2/mmcv.whl"')
    wheel = setup_env.build_mmcv(python, folder, progress, ONEDL)
    assert wheel == folder / 'mmcv.whl' and wheel.read_text() == 'half\nhalf\n'
    assert '[1/2]' in (tmp_path / 'log').read_text()
    # A second clone that built at the same time takes the first one's wheel.
    assert setup_env.build_mmcv(python, folder, progress, ONEDL) == wheel
    assert list(folder.parent.iterdir()) == [folder]


@STACKS
def test_failed_build_leaves_nothing(tmp_path, capsys, stack):
    folder = tmp_path / 'cache' / 'key'
    progress = setup_env.Progress(1, tmp_path / 'log')
    python = fake_pip(tmp_path, 'echo no space; exit 1')
    with pytest.raises(setup_env.SetupError, match=f'{stack.mmcv} could not be built'):
        setup_env.build_mmcv(python, folder, progress, stack)
    log = (tmp_path / 'log').read_text()
    assert f'--no-binary {stack.mmcv} ' in log and f'requirements/{stack.name}/mmcv.txt' in log
    assert list(folder.parent.iterdir()) == []
    assert 'no space' in capsys.readouterr().out


def is_running(pid: int) -> bool:
    """False too for a process that is dead and not yet collected by its new parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f'/proc/{pid}/stat')
    return not (stat.exists() and ') Z ' in stat.read_text())


def test_killed_build_leaves_no_wheel_and_no_process(tmp_path):
    fake_pip(tmp_path, f'sleep 60 & echo $! > {tmp_path}/pid; wait')
    code = (
        f'import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n'
        'import signal, setup_env; from pathlib import Path\n'
        'signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n'
        f'tmp = Path({str(tmp_path)!r})\n'
        'setup_env.build_mmcv(tmp / "python", tmp / "cache" / "key", '
        'setup_env.Progress(1, tmp / "log"), setup_env.ONEDL)'
    )
    process = subprocess.Popen([sys.executable, '-c', code])
    pid = tmp_path / 'pid'
    for _ in range(200):
        if pid.exists() and pid.read_text().strip():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert list((tmp_path / 'cache').iterdir()) == []
    for _ in range(100):
        if not is_running(int(pid.read_text())):
            break
        time.sleep(0.05)
    assert not is_running(int(pid.read_text()))


def test_jobs(monkeypatch):
    monkeypatch.setenv('MAX_JOBS', '3')
    assert setup_env.build_jobs() == 3
    monkeypatch.delenv('MAX_JOBS')
    assert 1 <= setup_env.build_jobs() <= os.cpu_count()


@pytest.mark.parametrize(
    'line, news',
    [
        ('  [12/78] c++ -MMD -MF build/a.o', 'compiled 12 of 78 files'),
        ('Downloading torch-2.13.0-cp311.whl (900.1 MB)\n', 'downloading torch-2.13.0-cp311.whl'),
        ('  Downloading https://host/simple/torch-2.13.0.whl', 'downloading torch-2.13.0.whl'),
        ('Installing collected packages: numpy, torch', 'unpacking'),
        ('  warning: [-Wc++20-extensions]', None),
    ],
)
def test_latest_news(line, news):
    assert setup_env.latest_news(line) == news


# ------------------------------------------------------------------------------- llv's own wheel


def test_one_opencv():
    names = {d.metadata['Name'].lower() for d in importlib.metadata.distributions()}
    opencv = {name for name in names if name.startswith('opencv')}
    assert len(opencv) == 1, opencv


@pytest.fixture(scope='module')
def release(tmp_path_factory):
    """All that belongs to the repository, copied, and the same unpacked from its source distribution."""
    pytest.importorskip('setuptools', minversion='64')
    root = tmp_path_factory.mktemp('release')
    source = root / 'source'
    ignore = shutil.ignore_patterns('__pycache__', '.mim', '*.egg-info')
    for name in (*setup_env.MIM_FOLDERS, *OF_A_RELEASE):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, source / name)
    weights = source / 'llv' / 'models' / 'enhancers' / 'weights' / 'x.pth'
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b'weights that come with the package')
    held = [str(file.relative_to(source)) for file in source.rglob('*') if file.is_file()]
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'sdist', '-d', root],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (archive,) = root.glob('llv-*.tar.gz')
    shutil.unpack_archive(archive, root / 'unpacked')
    (unpacked,) = (root / 'unpacked').iterdir()
    return held, unpacked


def test_a_source_distribution_holds_all_of_the_repository(release):
    held, unpacked = release
    assert [name for name in held if not (unpacked / name).is_file()] == []
    # so that links of its pages lead somewhere
    links = re.findall(r'\]\(([\w./-]+)(?:#[\w-]+)?\)', (unpacked / 'README.md').read_text())
    assert links and all((unpacked / link).exists() for link in links)


def test_wheel_holds_configs_tools_and_data(release, tmp_path):
    """Built from the source distribution, as from an index."""
    _, source = release
    subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation',
         '--no-index', '-w', tmp_path, source],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob('llv-*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in setup_env.MIM_FOLDERS:
        for file in [source / name, *(source / name).rglob('*')]:
            if file.is_file():
                assert f'llv/.mim/{file.relative_to(source)}' in names
    for file in (source / 'llv').rglob('*'):
        if file.suffix in ('.py', '.txt', '.json', '.csv', '.css', '.yml', '.pth'):
            assert str(file.relative_to(source)) in names
    assert not [name for name in names if name.startswith(('tests/', 'configs/'))]
    assert any(name.endswith('/LICENSE') for name in names)


def test_model_index_lists_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    found = {str(file.relative_to(ROOT)) for file in (ROOT / 'configs').rglob('metafile.yml')}
    assert set(index['Import']) == found
