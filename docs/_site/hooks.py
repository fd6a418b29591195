"""What the documentation site needs beyond mkdocs: pages and files outside `docs`, and lists of modules.

In the repository pages link to each other, to configs and to code by relative paths, which work there and on any host
of repositories. The site holds the READMEs of `configs` as pages and every other file that a page links to as a file,
and links are rewritten to where things are in the site.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r'(\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)')
FENCE = re.compile(r'(^ *```.*?^ *```)', re.DOTALL | re.MULTILINE)
MODULES = re.compile(r'^::: (llv[\w.]*)\.\*$', re.MULTILINE)


def on_files(files, config):
    """Add the READMEs of `configs`, and files outside `docs` that pages link to."""
    for page in sorted((ROOT / 'configs').rglob('README.md')):
        add(files, config, page)
    for file in list(files.documentation_pages()):
        source = Path(file.abs_src_path)
        for target, _ in targets(source.read_text(encoding='utf-8'), source):
            if target.is_file() and files.get_file_from_path(in_site(target)) is None:
                add(files, config, target)
    return files


def on_page_markdown(markdown, page, config, files):
    """Rewrite links, and put a module list where `::: package.*` stands."""
    source = Path(page.file.abs_src_path)
    markdown = MODULES.sub(lambda match: '\n'.join(reference(match[1])), markdown)
    parts = FENCE.split(markdown)
    # code is at the odd places
    parts[::2] = [LINK.sub(lambda match: rewritten(match, source), part) for part in parts[::2]]
    return ''.join(parts)


def add(files, config, path):
    """Put a file of the repository into the site, at the same path."""
    files.append(File.generated(config, in_site(path), abs_src_path=str(path)))


def in_site(path):
    """Where a file of the repository is in the site: `docs` is its root, and the README its first page."""
    relative = path.relative_to(ROOT)
    if relative.as_posix() == 'README.md':
        return 'index.md'
    return (relative.relative_to('docs') if relative.parts[0] == 'docs' else relative).as_posix()


def targets(markdown, source):
    """The files and folders of the repository that a page links to, with the anchors behind them."""
    for text in FENCE.split(markdown)[::2]:
        for _, link in LINK.findall(text):
            target = resolved(link, source)
            if target is not None:
                yield target


def resolved(link, source):
    """A link as a path in the repository and an anchor; None for one that leads elsewhere or into the page."""
    path, _, anchor = link.partition('#')
    if '://' in link or link.startswith('mailto:') or not path:
        return None
    return Path(os.path.normpath(source.parent / path)), anchor


def rewritten(match, source):
    """A link as the site needs it; only its text where it leads to a folder, of which the site has no page."""
    found = resolved(match[2], source)
    if found is None or not found[0].is_relative_to(ROOT):
        return match[0]
    target, anchor = found
    if target.is_dir():
        return match[1][1:-1]
    path = os.path.relpath(in_site(target), Path(in_site(source)).parent).replace(os.sep, '/')
    return f'{match[1]}({path}{"#" * bool(anchor)}{anchor})'


def reference(package):
    """The directives of mkdocstrings for all modules of a package that define something public."""
    folder = ROOT.joinpath(*package.split('.'))
    for file in sorted(folder.rglob('*.py')):
        if file.name.startswith('_'):
            continue
        body = ast.parse(file.read_text(encoding='utf-8')).body
        kinds = (ast.ClassDef, ast.FunctionDef)
        if any(isinstance(node, kinds) and not node.name.startswith('_') for node in body):
            yield f'::: {".".join(file.relative_to(ROOT).with_suffix("").parts)}\n'
