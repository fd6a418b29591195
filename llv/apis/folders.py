"""Which pictures and videos a user means by files, folders and globs, and where their results go."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from llv.utils.pictures import PHOTOGRAPH_SUFFIXES, WRITABLE_SUFFIXES

from .video import CONTAINERS, VIDEO_SUFFIXES

# pictures that people have in such folders, and what to do with them
_NOT_READ = {
    **dict.fromkeys(('.jxl', '.psd'), 'save it as .jpg, .png or .tif first'),
    **dict.fromkeys(
        '.3fr .arw .cr2 .cr3 .dng .nef .nrw .orf .pef .raf .raw .rw2 .srw'.split(),
        'develop it to a 16-bit .tif or .png first',
    ),
}


def collect_pictures(
    inputs: list[str],
    recursive: bool,
    out: Path,
    suffixes: Collection[str] = PHOTOGRAPH_SUFFIXES,
) -> tuple[dict[Path, Path], list[str]]:
    """Find the pictures.

    Args:
        inputs: Files, folders (what is taken from them is known by the suffix) and globs.
        recursive: Also look into the folders inside given folders.
        out: Where results go: what an earlier run has put there is no input.
        suffixes: What is taken from folders, in small letters.

    Returns:
        Source file -> name relative to the given folder or glob, in the given order; and a reason
        for each input that yields nothing, and for each picture of a format that cannot be read.

    Raises:
        ValueError: There is nothing to read at all.
    """
    found: dict[Path, Path] = {}
    absent = []
    unread: dict[Path, str] = {}
    for given in inputs:
        path = Path(given).expanduser()
        if path.is_dir():
            matches = [
                (file, file.relative_to(path))
                for file in _in_folder(path, recursive, {out.resolve()}, {*suffixes, *_NOT_READ})
            ]
            if not matches:
                nested = not recursive and any(inner.is_dir() for inner in path.iterdir())
                hint = ' (try `--recursive`)' if nested else ''
                absent.append(f'the folder `{given}` holds no picture or video{hint}')
        elif path.exists() or not glob.has_magic(given):
            # a missing file is reported in its turn, like one that is damaged
            matches = [(path, Path(path.name))]
        else:
            root = _fixed_part(path)
            files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
            matches = [(file, file.relative_to(root)) for file in files if file.is_file()]
            if not matches:
                absent.append(f'nothing matches `{given}`')
        for file, name in matches:
            advice = _NOT_READ.get(file.suffix.lower())
            if advice is None or not file.exists():
                found.setdefault(file, name)
            elif file not in unread:
                unread[file] = f'`{file}` cannot be read, {file.suffix} is not supported; {advice}'
    absent += unread.values()
    if not any(file.exists() for file in found):
        absent += [f'`{file}` is not there' for file in found]
        raise ValueError(f'There is nothing to enhance: {"; ".join(absent)}.')
    return found, absent


def _in_folder(
    folder: Path, recursive: bool, left_out: set[Path], suffixes: Collection[str]
) -> Iterator[Path]:
    """Files in a folder by their suffix; not in the folders left out, and links that lead back
    to a folder around them are not followed."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            place = path.resolve()
            if recursive and place not in left_out:
                inner = left_out | {place, folder.resolve()}
                yield from _in_folder(path, recursive, inner, suffixes)
        elif path.suffix.lower() in suffixes:
            yield path


def _fixed_part(pattern: Path) -> Path:
    """The folder that all matches of a glob are in."""
    root = Path()
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        root /= part
    return root


def plan_targets(pictures: dict[Path, Path], out: Path, suffix: str) -> dict[Path, Path]:
    """Source file -> file to write.

    Raises:
        ValueError: Two pictures would become one file, or a result would replace an input.
    """
    inputs = {(stat.st_dev, stat.st_ino) for stat in (p.stat() for p in pictures if p.exists())}
    targets: dict[Path, Path] = {}
    owners: dict[Path, Path] = {}
    for source, name in pictures.items():
        kind = name.suffix.lower()
        kept = CONTAINERS if kind in VIDEO_SUFFIXES else WRITABLE_SUFFIXES
        other = '.mp4' if kind in VIDEO_SUFFIXES else '.png'
        ending = name.suffix if kind in kept else other
        target = out / name.with_name(name.stem + suffix + ending)
        if target in owners:
            raise ValueError(
                f'`{owners[target]}` and `{source}` would both be written to `{target}`; give the '
                'folder that holds both with `--recursive`, or use two runs with two `--out`.'
            )
        if target.exists() and (target.stat().st_dev, target.stat().st_ino) in inputs:
            raise ValueError(
                f'`{target}` is one of the inputs and would be replaced; choose another `--out`, '
                'or a `--suffix`.'
            )
        owners[target] = source
        targets[source] = target
    return targets


def check_writable(out: Path) -> None:
    """Find out before the work that nothing could be written.

    Raises:
        ValueError: The folder cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(
            f'Nothing can be written to `{out}` ({error.strerror}); choose another `--out`.'
        ) from error
