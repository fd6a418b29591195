"""Builds llv's environment: the pinned packages of `requirements/`, one of the two stacks, and llv.

`make env` (and so `make test` and `make demo`) runs it. It uses the standard library only, resumes
after an interruption, and returns at once when nothing has changed since it last finished.
Options: `--stack` chooses between the maintained continuation (`onedl`, in `.venv`) and OpenMMLab's
own packages (`openmmlab`, in `.venv-openmmlab`); `--exact-python` makes the environment anew when
it is of another Python than the one that runs this file; `--check` only verifies the environment
whose Python runs it.

Example: python3 tools/setup_env.py --stack openmmlab
"""

import argparse
import hashlib
import importlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple, Optional

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / 'requirements'
MIM_FOLDERS = ('configs', 'tools', 'demo', 'model-index.yml', 'dataset-index.yml')
PYTHONS = ((3, 10), (3, 11), (3, 12))
HEARTBEAT = 15  # seconds between signs of life of a quiet step
GIB = 2**30
# Measured: 4.8 GiB of packages, and as much again for the downloads while they are unpacked.
DISK_GIB = 9
BUILD_MEMORY_GIB = 2  # one compiler process on mmcv's largest files takes about 1.3 GiB


class Stack(NamedTuple):
    """One of the two families of distributions that bring mmengine, mmcv, mmdet and mmseg.

    Both write into the same import packages, so each has an environment of its own.
    """

    name: str  # of its folder in `requirements/`
    title: str
    venv: str  # the folder of its environment
    mmcv: str  # the distribution that is compiled here
    others: tuple  # what may not lie in its environment

    @property
    def again(self) -> str:
        """The remedy for an environment that is past mending."""
        return 'remove `{}` and run `{}` again'.format(self.venv, self.make)

    @property
    def make(self) -> str:
        """The command that sets it up."""
        return 'make env' if self is ONEDL else f'make env STACK={self.name}'


ONEDL = Stack(
    name='onedl',
    title='the continuation of OpenMMLab',
    venv='.venv',
    mmcv='onedl-mmcv',
    others=('mmengine', 'mmcv', 'mmcv-full', 'mmcv-lite', 'mmdet', 'mmsegmentation', 'mmpretrain'),
)
OPENMMLAB = Stack(
    name='openmmlab',
    title="OpenMMLab's own packages",
    venv='.venv-openmmlab',
    mmcv='mmcv',
    others=(
        'onedl-mmengine',
        'onedl-mmcv',
        'onedl-mmdetection',
        'onedl-mmsegmentation',
        'onedl-mmpretrain',
    ),
)
STACKS = {stack.name: stack for stack in (ONEDL, OPENMMLAB)}


class SetupError(RuntimeError):
    """What stops the set-up, in one sentence that holds the remedy."""


# ------------------------------------------------------------------ before anything is changed


def find_python(exact: bool, version: tuple = sys.version_info[:2]) -> str:
    """Returns an interpreter that the stack supports: this one if it fits, else one on PATH.

    With `exact`, the one that was named must fit.
    """
    if version in PYTHONS:
        return sys.executable
    for major, minor in () if exact else reversed(PYTHONS):
        found = shutil.which('python{}.{}'.format(major, minor))
        # Version managers put names on PATH that only explain that nothing is behind them.
        if found and subprocess.run([found, '-c', ''], stderr=subprocess.DEVNULL).returncode == 0:
            return found
    raise SetupError(
        'Python {}.{} is too old or too new for the stack, which runs on 3.10 to 3.12: install one '
        'of these and name it, as in `make PYTHON=python3.12 test`.'.format(*version)
    )


def check_python_parts() -> None:
    """Checks the parts of Python that Linux distributions package apart."""
    try:
        importlib.import_module('venv')
        importlib.import_module('ensurepip')
    except ImportError:
        raise SetupError(
            'Python {} at `{}` lacks its `venv` module: install it (Debian and Ubuntu: '
            '`apt install python3-venv`).'.format(platform.python_version(), sys.executable)
        ) from None


def check_compiler(include: str, mmcv: str) -> None:
    """Checks what the build of mmcv needs from outside: a C++ compiler and Python's headers."""
    compiler = os.environ.get('CXX', 'c++').split()[0]
    if shutil.which(compiler) is None:
        raise SetupError(
            f'no C++ compiler `{compiler}` to build {mmcv} with: install one (Debian and '
            'Ubuntu: `apt install g++`) or name yours in the variable `CXX`.'
        )
    if not (Path(include) / 'Python.h').is_file():
        raise SetupError(
            f'`Python.h` is not in `{include}`, and {mmcv} cannot be built without it: install '
            "Python's headers (Debian and Ubuntu: `apt install python3-dev`)."
        )


def check_disk(folder: Path, gib: float) -> None:
    """Checks that `folder` (or its nearest parent that exists) has `gib` GiB left."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIB
    if free < gib:
        raise SetupError(
            f'`{folder}` has {free:.1f} GiB left and the set-up needs about {gib:g}: free some '
            'space, or clone to another disk.'
        )


def installed(site: Path) -> dict:
    """Maps the distributions in `site` to their versions, read from the folder names alone."""
    found = {}
    for entry in site.glob('*.dist-info'):
        name, _, version = entry.name[: -len('.dist-info')].partition('-')
        found[re.sub('[-_.]+', '-', name).lower()] = version
    return found


def check_conflicts(distributions, stack: Stack) -> None:
    """Refuses distributions that write into the same import packages as the pinned ones."""
    others = sorted(set(stack.others) & set(distributions))
    if others:
        raise SetupError(
            '`{}` is in `{}`, the environment of {}, under the same import name: {}.'.format(
                '`, `'.join(others), stack.venv, stack.title, stack.again
            )
        )
    opencv = sorted(name for name in distributions if name.startswith('opencv-'))
    if len(opencv) > 1:
        raise SetupError(
            'several OpenCV distributions (`{}`) share the `cv2` folder in `{}`: {}.'.format(
                '`, `'.join(opencv), stack.venv, stack.again
            )
        )


# ------------------------------------------------------------------------------------- the stamp


def fingerprint(root: Path, version: str, stack: Stack) -> str:
    """Hashes everything that decides what the environment holds.

    The folder counts, because an editable install and the scripts of an environment hold its path.
    """
    digest = hashlib.sha256('{}\n{}\n{}\n'.format(root, version, stack.name).encode())
    folder = root / 'requirements'
    files = [*sorted(folder.glob('*.txt')), *sorted((folder / stack.name).glob('*.txt'))]
    for file in [*files, root / 'setup.py', root / 'tools' / 'setup_env.py']:
        digest.update(file.name.encode() + b'\0' + file.read_bytes())
    return digest.hexdigest()


def venv_version(venv: Path) -> Optional[str]:
    """Returns the Python version ('3.11') of the environment, None when it is not a whole one."""
    try:
        text = (venv / 'pyvenv.cfg').read_text()
    except OSError:
        return None
    match = re.search(r'^version(?:_info)?\s*=\s*(\d+\.\d+)', text, re.MULTILINE)
    if not match or not (venv / 'bin' / 'python').exists():
        return None
    return match.group(1) if any(venv.glob('lib/*/site-packages/pip')) else None


def is_ready(root: Path, version: str, stack: Stack) -> bool:
    """Tells without starting a process whether the set-up has nothing to do."""
    stamp = root / stack.venv / 'llv-setup'
    if not stamp.is_file() or stamp.read_text() != fingerprint(root, version, stack):
        return False
    links = [root / 'llv' / '.mim' / name for name in MIM_FOLDERS if (root / name).exists()]
    return all(link.exists() for link in links)


# --------------------------------------------------------------------------------------- running


def latest_news(line: str) -> Optional[str]:
    """Returns what one line of pip's or ninja's output says about the progress, None if nothing.

    >>> latest_news('  [12/78] c++ -MMD -MF …')
    'compiled 12 of 78 files'
    >>> latest_news('Downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl (900.1 MB)')
    'downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl'
    """
    match = re.match(r'\s*\[(\d+)/(\d+)\] ', line)
    if match:
        return 'compiled {} of {} files'.format(*match.groups())
    match = re.match(r'\s*(Downloading|Using cached|Collecting|Building wheel for) (\S+)', line)
    if match:
        return '{} {}'.format(match.group(1).lower(), match.group(2).rsplit('/', 1)[-1])
    if line.startswith('Installing collected packages'):
        return 'unpacking'
    return None


class Progress:
    """Numbered steps with the time they took, and a sign of life while one is quiet."""

    def __init__(self, total: int, log: Path) -> None:
        self.total = total
        self.log = log
        self.number = 0
        self.start = time.monotonic()

    def step(self, title: str) -> None:
        """Announces the next step."""
        self.number += 1
        elapsed = time.monotonic() - self.start
        print(f'[{self.number}/{self.total}] {title} ({elapsed:.0f} s so far)', flush=True)

    def run(self, command: list, remedy: str, **environment: str) -> None:
        """Runs `command` with its output in the log file; raises `SetupError` when it fails."""
        begin = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors='replace',
            cwd=ROOT,
            start_new_session=True,
            env={**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1', **environment},
        )
        news = ['']
        lines: list = []

        def read() -> None:
            with self.log.open('a') as log:
                log.write('$ {}\n'.format(' '.join(map(str, command))))
                for line in process.stdout:
                    log.write(line)
                    lines.append(line)
                    del lines[:-15]
                    news[0] = latest_news(line) or news[0]

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            while True:
                reader.join(HEARTBEAT)
                if not reader.is_alive():
                    break
                seconds = time.monotonic() - begin
                print('      {:4.0f} s  {}'.format(seconds, news[0]).rstrip(), flush=True)
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)  # pip and, below it, ninja and the compilers
            process.wait()
            raise
        if code:
            sys.stdout.writelines(lines)
            raise SetupError(f'{remedy} (the whole output is in `{self.log}`).')


# ----------------------------------------------------------------------------- the wheel of mmcv


def read_pin(name: str, folder: Path = REQUIREMENTS) -> str:
    """Returns the version to which the distribution `name` is pinned in `requirements/`."""
    for file in sorted(folder.rglob('*.txt')):
        match = re.search(rf'^{re.escape(name)}={{2,3}}(\S+)', file.read_text(), re.MULTILINE)
        if match:
            return match.group(1)
    raise SetupError(f'`{name}` is pinned in no file of `{folder}`: restore these files.')


def cache_folder(mmcv: str, version: str, torch: str, tag: str, platform_name: str) -> Path:
    """Returns the folder of the user cache for one build of mmcv.

    The name holds everything on which compiled operators depend: the distribution ('onedl-mmcv')
    and its version, the version of torch, the interpreter's tag ('cpython-311') and the platform
    ('linux-x86_64').
    """
    base = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return base / 'llv' / 'wheels' / f'{mmcv}-{version}_torch-{torch}_{tag}_{platform_name}'


def cached_wheel(folder: Path) -> Optional[Path]:
    """Returns the wheel in a folder of the cache, None when there is none."""
    return next(iter(sorted(folder.glob('*.whl'))), None)


def build_jobs() -> int:
    """Returns how many compilers to run: one a core, as far as the memory that is left allows."""
    if os.environ.get('MAX_JOBS'):
        return int(os.environ['MAX_JOBS'])
    if hasattr(os, 'sched_getaffinity'):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    meminfo = Path('/proc/meminfo')
    if meminfo.exists():
        available = re.search(r'MemAvailable:\s+(\d+) kB', meminfo.read_text())
        memory = int(available.group(1)) * 1024 if available else memory
    limit = Path('/sys/fs/cgroup/memory.max')  # a container's own limit
    if limit.exists() and limit.read_text().strip().isdigit():
        memory = min(memory, int(limit.read_text()))
    return max(1, min(cores, int(memory / GIB / BUILD_MEMORY_GIB)))


def build_mmcv(python: Path, folder: Path, progress: Progress, stack: Stack) -> Path:
    """Builds mmcv's wheel with its operators and puts it into `folder` in one move."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='build-', dir=folder.parent) as build:
        progress.run(
            [python, '-m', 'pip', 'wheel', '-v', '--no-build-isolation', '--no-deps',
             '--no-binary', stack.mmcv, '--no-cache-dir', '-w', Path(build) / 'wheel',
             '-r', REQUIREMENTS / stack.name / 'mmcv.txt'],
            remedy=f'{stack.mmcv} could not be built: mend what its last lines name, or set '
            '`MAX_JOBS=1` if the memory ran out, and run this again',
            MMCV_WITH_OPS='1', FORCE_CUDA='0', MAX_JOBS=str(build_jobs()),
            # mmcv's build calls `ninja` by name
            PATH='{}{}{}'.format(python.parent, os.pathsep, os.environ.get('PATH', '')),
        )  # fmt: skip
        try:
            os.replace(Path(build) / 'wheel', folder)
        except OSError:
            # Another clone has finished the same build meanwhile; its wheel is as good.
            if cached_wheel(folder) is None:
                raise
    return cached_wheel(folder)


# ---------------------------------------------------------------------------------------- checks


def check_environment(stack: Stack) -> list:
    """Imports what the set-up installed, in the running interpreter; returns what is wrong."""
    try:
        check_conflicts(installed(Path(sysconfig.get_path('purelib'))), stack)
    except SetupError as error:
        return [str(error)]
    again = stack.again
    folder = cache_folder(
        stack.mmcv,
        read_pin(stack.mmcv),
        read_pin('torch'),
        sys.implementation.cache_tag,
        sysconfig.get_platform(),
    )
    checks = [
        ('cv2', 'import cv2', again),
        ('torchvision.ops', 'import torch, torchvision; '
         'torchvision.ops.nms(torch.tensor([[0., 0., 1., 1.]]), torch.ones(1), 0.5)', again),
        ('mmcv.ops', 'import torch, mmcv.ops; '
         'mmcv.ops.nms(torch.tensor([[0., 0., 1., 1.]]), torch.ones(1), 0.5)',
         'its operators were not compiled for this torch: '
         f'remove `{stack.venv}` and `{folder}` and run `{stack.make}` again'),
        ('mmdet', 'import mmdet.models', again),
        ('mmseg', 'import mmseg.models', again),
        ('torchmetrics and piq', 'import torchmetrics, piq', again),
        ('onnx', 'import onnx, onnxruntime, onnxscript', again),
        ('llv', 'import llv',
         f'run `{stack.venv}/bin/python -m pip install --no-deps -e .` to see why'),
    ]  # fmt: skip
    failures = []
    for name, code, remedy in checks:
        try:
            exec(code, {})
        except Exception as error:
            reason = ' '.join(str(error).split())[:200] or type(error).__name__
            failures.append(f'`{name}` does not work ({reason}): {remedy}.')
            if name == 'mmcv.ops':
                break  # mmdet and mmseg would fail for the same reason
    return failures


# --------------------------------------------------------------------------------------- the whole


def build_facts(python: str) -> tuple:
    """Returns the tag ('cpython-311'), platform and header folder of an interpreter."""
    query = (
        'import sys, sysconfig as config\n'
        'print(sys.implementation.cache_tag, config.get_platform(), config.get_path("include"), '
        'sep="\\n")'
    )
    output = subprocess.check_output([python, '-c', query], universal_newlines=True)
    return tuple(output.splitlines())


def set_up(exact: bool, stack: Stack) -> None:
    """Brings the environment of `stack` to the state that `requirements/` describes."""
    venv = ROOT / stack.venv
    python = venv / 'bin' / 'python'
    version = '{}.{}'.format(*sys.version_info[:2])
    found = venv_version(venv)
    keep = found == version or (not exact and found in ['{}.{}'.format(*v) for v in PYTHONS])
    if keep:
        version = found
        check_conflicts(installed(venv / 'lib' / f'python{version}' / 'site-packages'), stack)
        if is_ready(ROOT, version, stack):
            return

    # Everything that can be refused is refused before anything is changed.
    if not keep:
        if venv.is_symlink():
            raise SetupError(f'`{stack.venv}` is a symbolic link: remove it and run this again.')
        check_python_parts()
    if not keep or not any(venv.glob('lib/*/site-packages/torch')):
        check_disk(ROOT, DISK_GIB)
    tag, platform_name, include = build_facts(str(python) if keep else sys.executable)
    mmcv = f'{stack.mmcv} {read_pin(stack.mmcv)}'
    folder = cache_folder(*mmcv.split(), read_pin('torch'), tag, platform_name)
    wheel = cached_wheel(folder)
    if wheel is None:
        check_compiler(include, stack.mmcv)

    if not keep:
        if found:
            print(
                f'`{stack.venv}` is of Python {found}; it is made anew for {version}.', flush=True
            )
        shutil.rmtree(venv, ignore_errors=True)
        # In a session of its own an interrupt ends it without a traceback.
        command = [sys.executable, '-m', 'venv', str(venv)]
        subprocess.run(command, check=True, start_new_session=True)
    stamp = venv / 'llv-setup'
    stamp.unlink(missing_ok=True)

    progress = Progress(total=6, log=venv / 'setup.log')
    progress.log.write_text('')
    # Byte code is written at the first import; compiling all of torch now would take longer.
    pip = [python, '-m', 'pip', 'install', '--no-compile']
    # which numpy and which OpenCV the stack can work with
    pip += ['-c', REQUIREMENTS / stack.name / 'constraints.txt']
    offline = 'check the network connection and the free disk space and run this again'

    progress.step(f'build tools, in `{stack.venv}` with Python {version}')
    progress.run(
        [*pip, '--upgrade', '-r', REQUIREMENTS / 'build.txt'],
        f'the build tools were not installed: {offline}',
    )
    progress.step(f'torch {read_pin("torch")} and torchvision (some 3 GB to download)')
    progress.run(
        [*pip, '-r', REQUIREMENTS / 'torch.txt'],
        f'torch was not installed: {offline}',
    )
    if wheel:
        progress.step(f'{mmcv}, built before: `{wheel}`')
    else:
        jobs = build_jobs()
        progress.step(
            f'{mmcv}, compiled now by {jobs} job(s): about '
            f'{20 / jobs:.0f} minutes, once for all clones'
        )
        wheel = build_mmcv(python, folder, progress, stack)
    progress.step('mmengine, mmcv, mmdet, mmseg and what they import; all extras of llv')
    # All at once, so that they agree: an extra may want an older version than the stack would get.
    # torch.txt is among them once more, so that nothing that depends on torch moves it.
    files = sorted(REQUIREMENTS.glob('*.txt'))
    progress.run(
        [*pip, *(word for file in files for word in ('-r', file))],
        f'the dependencies were not installed: {offline}',
    )
    progress.run(
        [*pip, '--no-deps', '-r', REQUIREMENTS / stack.name / 'openmm.txt', wheel],
        f'{stack.title} could not be installed: {offline}',
    )
    progress.step('llv, editable')
    progress.run(
        [*pip, '--no-deps', '--no-build-isolation', '-e', ROOT],
        'llv was not installed: mend what the last lines name and run this again',
    )
    progress.step('check')
    command = [str(python), __file__, '--check', '--stack', stack.name]
    code = subprocess.run(command, cwd=ROOT).returncode
    if code:
        sys.exit(code)
    stamp.write_text(fingerprint(ROOT, version, stack))
    print(f'ready after {time.monotonic() - progress.start:.0f} s', flush=True)


def main() -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__.splitlines()[-1],
    )
    parser.add_argument(
        '--stack',
        choices=sorted(STACKS),
        default='onedl',
        help='`onedl`, the maintained continuation, in `.venv`, or `openmmlab` in `.venv-openmmlab`',
    )
    parser.add_argument(
        '--exact-python',
        action='store_true',
        help='make the environment anew when it is of another Python than the one that runs this',
    )
    parser.add_argument(
        '--check', action='store_true', help='only check the environment that runs this'
    )
    arguments = parser.parse_args()
    stack = STACKS[arguments.stack]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs below is ended too
    try:
        if arguments.check:
            failures = check_environment(stack)
            for failure in failures:
                print('set-up: ' + failure, file=sys.stderr)
            return 1 if failures else 0
        python = find_python(arguments.exact_python)
        if python != sys.executable:
            return subprocess.run([python, __file__, *sys.argv[1:]]).returncode
        set_up(arguments.exact_python, stack)
    except SetupError as error:
        print(f'set-up: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('set-up: interrupted; run it again to go on.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
