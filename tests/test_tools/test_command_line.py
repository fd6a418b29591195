"""Every command-line tool: help with examples that parse, one name for one thing, and mistakes told in a sentence."""

import argparse
import functools
import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'demo'))  # as beside demo/run_demo.py

FILES = [*sorted(ROOT.glob('tools/**/*.py')), *sorted(ROOT.glob('demo/**/*.py'))]
TOOLS = [
    path.relative_to(ROOT).as_posix()
    for path in FILES
    if "__name__ == '__main__'" in path.read_text(encoding='utf-8')
]
SCRIPTS = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob('tools/*.sh'))]
OWN_WORDS = 'tools/setup_env.py'  # runs before llv is there, with the standard library alone


class Parser(BaseException):
    """Carries the parser of a tool out of it."""


@functools.cache
def module(tool):
    spec = importlib.util.spec_from_file_location('tool_' + Path(tool).stem, ROOT / tool)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded  # whose dataclasses look for it there
    spec.loader.exec_module(loaded)
    return loaded


@functools.cache
def parser_of(tool):
    def stop(parser, *_):
        raise Parser(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', stop)
        with pytest.raises(Parser) as caught:
            module(tool).main()
    return caught.value.args[0]


def actions(tool):
    """All arguments of a tool, those of its subcommands too."""
    found, parsers = [], [parser_of(tool)]
    while parsers:
        for action in parsers.pop()._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            elif not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS:
                found.append(action)
    return found


def examples(text):
    """The commands behind `Example:`, with what goes on behind a backslash."""
    text = re.sub(r'\\\n *', ' ', text)
    block = re.search(r'^Example:(.*(?:\n.*\S.*)*)', text, flags=re.MULTILINE)
    assert block, 'no `Example:`'
    commands = [shlex.split(line, comments=True) for line in block[1].splitlines() if line.strip()]
    assert commands
    return commands


def check_files(words):
    """What an example names of the repository is there."""
    for word in words:
        if re.match(r'(configs|demo|tools|llv::)\S+\.(py|yml|json|sh)$', word):
            path = ROOT / word.replace('llv::', 'configs/')
            assert path.is_file(), word


@pytest.mark.parametrize('tool', TOOLS)
def test_help_says_what_it_does_and_shows_commands_that_parse(tool, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('COLUMNS', '120')
    monkeypatch.setattr(sys, 'argv', [tool, '--help'])
    with pytest.raises(SystemExit) as end:
        module(tool).main()
    said = capsys.readouterr()
    assert end.value.code == 0 and not said.err
    sentence = said.out.split('\n\n')[1]
    assert re.match(r'[A-Z].*[.?:]$', sentence, re.DOTALL), sentence
    monkeypatch.chdir(tmp_path)
    for program, file, *arguments in examples(said.out):
        assert program in ('python', 'python3') and file in TOOLS
        check_files(arguments)
        monkeypatch.setattr(sys, 'argv', [file, *arguments])
        parse = getattr(module(file), 'parse_args', parser_of(file).parse_args)
        try:
            parse()
        except SystemExit:
            pytest.fail(f'{arguments}: {capsys.readouterr().err}')


@pytest.mark.parametrize('tool', TOOLS)
def test_every_argument_says_what_it_is_and_what_it_is_by_default(tool):
    for action in actions(tool):
        name = (action.option_strings or [action.dest])[-1]
        assert action.help and re.search('[a-z]{2}', action.help), name
        assert not action.help.endswith('.') or action.help.endswith('...'), name
        if not isinstance(action, argparse._StoreTrueAction | argparse._StoreFalseAction):
            metavar = action.metavar or ('CHOICES' if action.choices else '')
            for word in [metavar] if isinstance(metavar, str) else metavar:
                assert re.fullmatch(r'[A-Z][A-Z_=:]*|HxW|PICTURE_OR_HxW', word), (name, word)
        if tool != OWN_WORDS and action.default not in (None, False, True, [], {}, ''):
            assert 'default' in action.help, name


# Names that several tools have, each with what stands behind it. A name that is new here wants to be the name of that
# thing in every tool.
SHARED = {
    '--arms': {'ARM'},
    '--batch-size': {'N'},
    '--cfg-options': {'KEY=VALUE'},
    '--check': {'PICTURE_OR_HxW', 'flag'},
    '--data': {'DIR'},
    '--device': {'DEVICE', 'choice'},
    '--enhancer': {'NAME_OR_CONFIG'},
    '--enhancer-weights': {'FILE'},
    '--enhancers': {'NAME_OR_CONFIG', 'ENHANCER'},
    '--estimate-scales': {'SCALE'},
    '--format': {'FORMAT', 'choice'},
    '--frozen-enhancer': {'flag'},
    '--json': {'FILE'},
    '--labels': {'LABEL'},
    '--launcher': {'choice'},
    '--amp': {'flag'},
    '--missing': {'choice'},
    '--no-pretrained': {'flag'},
    '--options': {'KEY=VALUE'},
    '--out': {'FILE', 'DIR'},
    '--pictures': {'choice'},
    '--protocol': {'choice'},
    '--references': {'DIR'},
    '--report-only': {'flag'},
    '--resume': {'CHECKPOINT'},
    '--rounds': {'N'},
    '--seed': {'SEED'},
    '--seed-count': {'N'},
    '--seeds': {'SEED'},
    '--size': {'HxW', 'PIXELS'},
    '--steps': {'N'},
    '--subset': {'choice'},
    '--subsets': {'SUBSET'},
    '--threads': {'N'},
    '--title': {'TEXT'},
    '--tolerance': {'DIFFERENCE'},
    '--tta': {'flag'},
    '--upstream-dir': {'DIR'},
    '--weight-decay': {'DECAY'},
    '--weights': {'FILE'},
    '--work-dir': {'DIR'},
    '--workers': {'N'},
    '--write': {'PAGE'},
}
# other names of such things, at home in other projects
ALIASES = {
    '--batch': '--batch-size',
    '--config-options': '--cfg-options',
    '--cuda': '--device',
    '--data-root': '--data',
    '--folder': '--work-dir',
    '--gpu': '--device',
    '--height': '--size',
    '--jobs': '--workers',
    '--model': '--enhancer',
    '--num-workers': '--workers',
    '--output': '--out',
    '--output-dir': '--out',
    '--repeats': '--rounds',
    '--save-dir': '--out',
    '--set': '--options',
    '--shape': '--size',
}


def test_one_name_stands_for_one_thing_in_all_tools():
    found = {}
    for tool in TOOLS:
        for name, action in {n: a for a in actions(tool) for n in a.option_strings}.items():
            assert name not in ALIASES, f'{tool}: call `{name}` `{ALIASES.get(name)}`'
            if isinstance(action, argparse._StoreTrueAction | argparse._StoreFalseAction):
                kind = 'flag'
            else:
                kind = action.metavar or 'choice'
            found.setdefault(name, {}).setdefault(tool, kind)
    for name, kinds in found.items():
        if len(kinds) > 1:
            assert set(kinds.values()) <= SHARED.get(name, set()), (name, kinds)
    assert set(SHARED) == {name for name, kinds in found.items() if len(kinds) > 1}


@pytest.mark.parametrize('script', SCRIPTS)
def test_scripts_explain_themselves_and_refuse_in_a_sentence(script, tmp_path):
    def run(*arguments):
        done = subprocess.run(
            ['bash', script, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    status, out, err = run('--help')
    assert status == 0 and not err and re.match('[A-Z].*\\.\n\nExample:\n', out)
    for command in examples(out):
        words = [word for word in command if not re.match('[A-Z_]+=', word)]
        assert words[0] == script
        check_files(words)
    (tmp_path / 'c.py').touch()
    last = [] if script.endswith('train.sh') else [str(tmp_path / 'c.py')]
    for arguments, told in (
        ([], 'are needed; see'),
        ([tmp_path / 'gone.py', *last, '2'], 'gone.py` is not there'),
        ([tmp_path / 'c.py', *last, '0'], 'a whole number from 1, but got `0`'),
        ([tmp_path / 'c.py', *last, 'two'], 'a whole number from 1, but got `two`'),
    ):
        status, out, err = run(*arguments)
        assert status == 2 and told in err and err.startswith('error: ') and err.count('\n') == 1


# ---------------------------------------------------------------------------------------- mistakes


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with things that are not what a tool expects."""
    import numpy as np
    import torch

    from llv.utils.pictures import write_picture

    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'file').write_text('text')
    (tmp_path / 'binary').write_bytes(bytes(range(128, 256)))
    for suffix in ('yml', 'json', 'py'):
        (tmp_path / f'broken.{suffix}').write_text('a: [1,\n\tb = (')
        (tmp_path / f'list.{suffix}').write_text('[1, 2]\n')
        (tmp_path / f'binary.{suffix}').write_bytes(bytes(range(128, 256)))
    (tmp_path / 'bare.py').write_text('a = 1\n')
    write_picture(tmp_path / 'p.png', np.full((8, 9, 3), 20, np.uint8))
    torch.save(dict(state_dict=dict(other=torch.zeros(3))), tmp_path / 'other.pth')
    return tmp_path


@pytest.fixture
def run(here, monkeypatch, capsys):
    """Runs a tool as the command line does; its exit status and what it writes to stderr, without argparse's usage."""
    from mmengine.logging import MMLogger

    def call(tool, *arguments):
        MMLogger._instance_dict.clear()  # they write to a stream that is closed by now
        monkeypatch.setattr(sys, 'argv', [str(ROOT / tool), *arguments])
        capsys.readouterr()
        status = 0
        try:
            runpy.run_path(str(ROOT / tool), run_name='__main__')
        except SystemExit as end:
            status = end.code or 0
        except KeyboardInterrupt:  # which would end pytest
            pytest.fail('Ctrl+C is a traceback')
        err = capsys.readouterr().err
        return status, re.sub(r'\Ausage: .*\n(?: .*\n)*', '', err)

    return call


# what somebody types, the exit status, and what the sentence says
MISTAKES = """
tools/enhance.py gone.png --out o                                       | 2 | `gone.png` is not there
tools/enhance.py empty --out o                                          | 2 | holds no picture
tools/enhance.py p.png --out file                                       | 2 | `file` is a file: name a folder
tools/enhance.py p.png --out file/o                                     | 2 | `file` is a file
tools/enhance.py p.png --out o --enhancer psenett                       | 2 | did you mean
tools/enhance.py p.png --out o --enhancer gone.py                       | 2 | `gone.py`
tools/enhance.py p.png --out o --enhancer broken.py                     | 2 | `broken.py`
tools/enhance.py p.png --out o --enhancer bare.py                       | 2 | `bare.py`
tools/enhance.py p.png --out o --enhancer binary.py                     | 2 | `binary.py`
tools/enhance.py p.png --out o --enhancer ruas --weights gone.pt        | 2 | `gone.pt`
tools/enhance.py p.png --out o --enhancer ruas --weights other.pth      | 2 | other.pth
tools/enhance.py p.png --out o --enhancer ruas --weights file           | 2 | file`
tools/enhance.py p.png --out o --enhancer ruas --weights empty          | 2 | empty`
tools/enhance.py p.png --out o --enhancer ruas --options version        | 2 | has no `=`
tools/enhance.py p.png --out o --enhancer ruas --options a=1            | 2 | `a`
tools/enhance.py p.png --out o --tile 0                                 | 2 | a whole number from 1, but got '0'
tools/enhance.py p.png --out o --device tpu                             | 2 | `tpu`
tools/enhance.py file p.png --out o                                     | 1 | skipped: `file`
tools/export_onnx.py --enhancer ruas --out empty                        | 2 | `empty` is a folder: name the file in it
tools/export_onnx.py --enhancer ruas --out o.onnx --check gone.jpg      | 2 | `gone.jpg`
tools/export_onnx.py --enhancer ruas --out o.onnx --tolerance -1        | 2 | a number from 0
tools/list_enhancers.py ruass                                           | 2 | did you mean
tools/list_enhancers.py --size 40x                                      | 2 | must be HEIGHTxWIDTH
tools/list_enhancers.py --write gone.md                                 | 2 | The page `gone.md` is not there
tools/list_enhancers.py --write file                                    | 2 | `file` must hold the lines
tools/app.py --port 99999                                               | 2 | `--port` must be in 0..65535
tools/benchmark.py gone.yml                                             | 2 | `gone.yml`
tools/benchmark.py broken.yml                                           | 2 | `broken.yml`
tools/benchmark.py binary.yml                                           | 2 | `binary.yml`
tools/benchmark.py list.yml                                             | 2 | `list.yml`
tools/benchmark.py empty                                                | 2 | `empty`
tools/benchmark.py list.yml --workers 0                                 | 2 | a whole number from 1, but got '0'
tools/check_dataset.py lol_v1 gone                                      | 2 | `gone` is not there
tools/check_dataset.py lol_v1 file                                      | 2 | `file` is
tools/check_dataset.py darkface gone                                    | 2 | `gone` is not there
tools/check_dataset.py acdc gone                                        | 2 | `gone` is not there
tools/check_dataset.py lol empty                                        | 2 | invalid choice: 'lol'
tools/make_night_scenes.py o --splits train                             | 2 | NAME=COUNT
tools/make_night_scenes.py o --splits a=1 a=2                           | 2 | names a split twice: a a
tools/make_night_scenes.py o --size 0                                   | 2 | must be HEIGHTxWIDTH
tools/make_night_scenes.py o --workers 0                                | 2 | a whole number from 1, but got '0'
tools/make_night_scenes.py file                                         | 2 | `file` is a file: name a folder
tools/zoo_tables.py --index gone.yml                                    | 2 | The index `gone.yml` is not there
tools/zoo_tables.py --index broken.yml                                  | 2 | `broken.yml`
tools/zoo_tables.py --index list.yml                                    | 2 | `list.yml`
tools/train.py gone.py                                                  | 2 | The config `gone.py` is not there
tools/train.py broken.py                                                | 2 | `broken.py` is no valid config
tools/train.py binary.py                                                | 2 | `binary.py` is no valid config
tools/train.py bare.py                                                  | 2 | The config `bare.py` has no `model`
tools/train.py empty                                                    | 2 | The config `empty` is
tools/train.py p.png                                                    | 2 | `p.png` is no config
tools/train.py mmdet::gone.py                                           | 2 | ships no config `gone.py`
tools/train.py nothing::gone.py                                         | 2 | The package `nothing`
tools/train.py llv::psenet/psenet_sice.py --cfg-options a               | 2 | has no `=`
tools/train.py llv::psenet/psenet_sice.py --work-dir file               | 2 | `file` is a file: name a folder
tools/train.py llv::psenet/psenet_sice.py --resume gone.pth             | 2 | `gone.pth`
tools/test.py llv::night_scenes/ssd-small_night.py gone.pth             | 2 | The checkpoint `gone.pth` is not there
tools/test.py llv::night_scenes/ssd-small_night.py empty                | 2 | `empty`
tools/test.py llv::night_scenes/ssd-small_night.py other.pth --out o.txt | 2 | must name a .pkl file
tools/search.py llv::psenet/psenet_sice.py                              | 2 | is no search
tools/search.py gone.py                                                 | 2 | The config `gone.py` is not there
A/benchmark_enhancers.py --enhancers psenett                            | 2 | did you mean
A/benchmark_enhancers.py --enhancers ruas:                              | 2 | is not NAME[:WEIGHTS][@KEY=VALUE,...]
A/benchmark_enhancers.py --enhancers ruas:gone.pt                       | 2 | `gone.pt`
A/benchmark_enhancers.py --enhancers ruas --sizes 0x4                   | 2 | must be HEIGHTxWIDTH
A/benchmark_enhancers.py --enhancers ruas --json empty                  | 2 | `empty` is a folder: name the file in it
A/benchmark_enhancers.py --enhancers ruas --device tpu                  | 2 | `tpu`
A/benchmark_levels.py gone.py                                           | 2 | The config `gone.py` is not there
A/benchmark_regularizer.py gone.py                                      | 2 | The config `gone.py` is not there
A/benchmark_regularizer.py bare.py                                      | 2 | `bare.py`
A/benchmark_search.py gone.py                                           | 2 | The config `gone.py` is not there
A/benchmark_search.py bare.py                                           | 2 | `bare.py`
A/benchmark_search.py --rounds -1                                       | 2 | a whole number from 0
A/benchmark_training_step.py --detectors gone.py                        | 2 | The config `gone.py` is not there
A/benchmark_training_step.py --detectors bare.py --enhancers clahe      | 2 | `bare.py`
A/check_enhancer.py --enhancer gone.py                                  | 2 | `gone.py`
A/check_enhancer.py --enhancer ruas --skip all                          | 2 | `all`
A/compare_recipes.py gone.json                                          | 2 | `gone.json`
A/compare_recipes.py broken.json                                        | 2 | `broken.json`
A/compare_recipes.py binary.json                                        | 2 | `binary.json`
A/compare_recipes.py list.json                                          | 2 | `list.json`
A/compare_recipes.py empty                                              | 2 | `empty`
A/does_it_help.py gone.py other.pth --enhancers gamma                   | 2 | The config `gone.py` is not there
A/does_it_help.py bare.py other.pth --enhancers gamma                   | 2 | The config `bare.py` has no `model`
A/does_it_help.py bare.py other.pth --enhancers gamma --groups 0        | 2 | a whole number from 1, but got '0'
A/does_it_help.py bare.py other.pth --enhancers gamma --json empty      | 2 | `empty` is a folder: name the file in it
A/estimate_scale.py gone --enhancers psenet-night-scenes                | 2 | gone
A/estimate_scale.py empty --enhancers psenet-night-scenes               | 2 | empty
A/estimate_scale.py empty --enhancers ruas --estimate-scales 0          | 2 | a number above 0, but got '0'
A/estimate_scale.py . --enhancers clahe                                 | 2 | `clahe` predicts no maps
A/estimate_scale.py . --enhancers psenet --estimate-scales 3            | 2 | must be in (0, 1]
A/estimate_scale.py file --enhancers psenet                             | 2 | file
A/evaluate_enhancers.py --enhancers gamma                               | 2 | no pictures: give
A/evaluate_enhancers.py --enhancers gamma --pairs gone gone             | 2 | gone
A/evaluate_enhancers.py --enhancers gamma --pairs empty empty           | 2 | empty
A/evaluate_enhancers.py --enhancers gamma --pair p.png gone.png         | 2 | `gone.png`
A/evaluate_enhancers.py --enhancers gamma --pair p.png file             | 2 | `file`
A/evaluate_enhancers.py --enhancers ruas:gone.pt --pair p.png p.png     | 1 | gone.pt
A/evaluate_enhancers.py --enhancers ruas:other.pth --pair p.png p.png   | 2 | other.pth
A/evaluate_enhancers.py --enhancers gamma --pair p.png p.png --write file | 2 | `file` must hold the lines
A/fddb_gamma.py gone.py other.pth                                       | 2 | The config `gone.py` is not there
A/fddb_gamma.py bare.py other.pth                                       | 2 | `bare.py` has no `model`
A/fddb_gamma.py bare.py other.pth --max-fp 0                            | 2 | a whole number from 1, but got '0'
A/fddb_gamma.py bare.py other.pth --work-dir file                       | 2 | `file` is a file: name a folder
A/fit_fixed_gain.py gone gone                                           | 2 | gone
A/fit_fixed_gain.py empty empty                                         | 2 | empty
A/fit_fixed_gain.py . . --out empty                                     | 2 | `empty` is a folder: name the file in it
A/get_flops.py gone.py                                                  | 2 | The config `gone.py` is not there
A/get_flops.py bare.py --size 8                                         | 2 | neither `model` nor `enhancer`
A/get_flops.py bare.py --size 8x                                        | 2 | must be HEIGHTxWIDTH
A/get_flops.py llv::night_scenes/ssd-small_night.py --cfg-options model.backbone.depth=7 --size 32 | 2 | cannot be built (KeyError: invalid depth 7 for resnet)
A/get_flops.py llv::night_scenes/ssd-small_night.py --cfg-options model.a=7 --size 32 | 2 | unexpected keyword argument 'a'
A/get_flops.py llv::night_scenes/ssd-small_night.py --cfg-options model.type=Nothing --size 32 | 2 | `Nothing` is no known type
A/planted_edges.py --seed-count 0                                       | 2 | a whole number from 1, but got '0'
A/planted_edges.py --write gone.md                                      | 2 | The page `gone.md` is not there
A/plot_curves.py gone.json --out o.svg                                  | 2 | `gone.json`
A/plot_curves.py broken.json --out o.svg                                | 2 | `broken.json`
A/plot_curves.py list.json --out o.svg                                  | 2 | `list.json`
A/plot_curves.py binary.json --out o.svg                                | 2 | `binary.json`
A/plot_curves.py list.json --out o.txt                                  | 2 | must end in .png, .svg, .pdf
A/plot_gradient_agreement.py gone --out o.svg                           | 2 | gone
A/plot_gradient_agreement.py empty --out o.svg                          | 2 | empty
A/plot_gradient_agreement.py list.json --out o.svg                      | 2 | `list.json`
A/plot_gradient_agreement.py binary.json --out o.svg                    | 2 | `binary.json`
A/plot_hyper_variables.py gone --out o.svg                              | 2 | `gone` is not there
A/plot_hyper_variables.py empty --out o.svg                             | 2 | holds no hyper-variables
A/relation_study.py gone.yml                                            | 2 | `gone.yml`
A/relation_study.py broken.yml                                          | 2 | `broken.yml`
A/relation_study.py binary.yml                                          | 2 | `binary.yml`
A/relation_study.py list.yml                                            | 2 | `list.yml`
A/relation_study.py list.yml --seeds -1                                 | 2 | a whole number from 0
A/tabular_search.py                                                     | 2 | required: command
A/tabular_search.py table colour                                        | 2 | invalid choice
A/tabular_search.py report --work-dir empty                             | 2 | table_interaction.json
A/tri_level_study.py gone.yml                                           | 2 | `gone.yml`
A/tri_level_study.py list.yml                                           | 2 | `list.yml`
A/tri_level_study.py binary.yml                                         | 2 | `binary.yml`
D/coco_to_native.py gone.json . o --format darkface                     | 2 | `gone.json`
D/coco_to_native.py broken.json . o --format darkface                   | 2 | `broken.json`
D/coco_to_native.py binary.json . o --format darkface                   | 2 | `binary.json`
D/coco_to_native.py list.json . o --format darkface                     | 2 | `list.json`
D/coco_to_native.py empty . o --format darkface                         | 2 | `empty`
D/detection_to_coco.py darkface gone o.json                             | 2 | `gone`
D/detection_to_coco.py darkface empty o.json                            | 2 | empty
D/detection_to_coco.py darkface empty empty                             | 2 | `empty` is a folder: name the file in it
D/detection_to_coco.py darkface empty o.json --options a=1              | 2 | `a`
D/detection_to_voc.py darkface gone o                                   | 2 | `gone`
D/detection_to_voc.py darkface gone file                                | 2 | `file` is a file: name a folder
D/flatten_segmentation.py acdc gone o                                   | 2 | gone
D/flatten_segmentation.py acdc empty o                                  | 2 | empty
D/flatten_segmentation.py acdc empty o --subsets noon                   | 2 | `--subsets` noon
D/label_ids_to_train_ids.py gone                                        | 2 | `gone` is not there
D/label_ids_to_train_ids.py file                                        | 2 | `file` is not there
D/label_ids_to_train_ids.py empty                                       | 2 | No file below `empty`
D/sice_to_exposures.py gone o                                           | 2 | gone
D/sice_to_exposures.py empty o                                          | 2 | empty
D/sice_to_exposures.py empty o --long-side 0                            | 2 | a whole number from 1, but got '0'
D/sice_to_exposures.py empty o --parts 3                                | 2 | invalid choice
M/official_to_llv.py gone.pth --out o.pth                               | 2 | `gone.pth`
M/official_to_llv.py file --out o.pth                                   | 2 | `file`
M/official_to_llv.py other.pth --out o.pth                              | 2 | other.pth
M/official_to_llv.py other.pth --enhancer ruas --out o.pth              | 2 | other.pth
M/official_to_llv.py other.pth --enhancer ruas --out empty              | 2 | `empty` is a folder: name the file in it
M/detectors_to_llv.py gone.pth --out o.pth                              | 2 | `gone.pth`
M/detectors_to_llv.py other.pth --out o.pth                             | 2 | belong to no layout
M/detectors_to_llv.py binary --out o.pth                                | 2 | `binary`
demo/run_demo.py --image gone.jpg                                       | 2 | gone.jpg
demo/run_demo.py --image file                                           | 2 | `file`
demo/run_demo.py --work-dir file                                        | 2 | `file` is a file: name a folder
demo/run_demo.py --seeds -1                                             | 2 | a whole number from 0
demo/tutorials/render.py gone.py                                        | 2 | `gone.py` is not there
demo/tutorials/render.py bare.py                                        | 2 | `bare.py` is no tutorial
demo/tutorials/render.py binary                                         | 2 | `binary` is no tutorial
demo/tutorials/render.py bare.py --options a                            | 2 | has no `=`
demo/tutorials/render.py bare.py --out empty                            | 2 | `empty` is a folder: name the file in it
"""  # noqa: E501
FOLDERS = dict(A='tools/analysis_tools', D='tools/dataset_converters', M='tools/model_converters')
MISTAKES = [re.split(r' +\| ', line) for line in MISTAKES.strip().splitlines()]


@pytest.mark.parametrize(('typed', 'expected', 'told'), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_in_one_line(run, typed, expected, told):
    tool, *arguments = shlex.split(typed)
    tool = re.sub('^([ADM])/', lambda folder: FOLDERS[folder[1]] + '/', tool)
    status, err = run(tool, *arguments)
    assert 'Traceback' not in err
    # progress bars are written over
    lines = [line.strip() for line in re.split('[\r\n]', err) if line.strip() and '%|' not in line]
    assert (status, len(lines)) == (int(expected), 1) and told in lines[0], err


def test_no_tool_is_without_a_mistake():
    named = {
        re.sub('^([ADM])/', lambda f: FOLDERS[f[1]] + '/', row[0].split()[0]) for row in MISTAKES
    }
    assert named == set(TOOLS) - {OWN_WORDS}


@pytest.mark.parametrize('tool', [tool for tool in TOOLS if tool != OWN_WORDS])
def test_an_interruption_is_one_word(run, monkeypatch, tool):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', interrupted)
    assert run(tool) == (130, '\ninterrupted\n')
