"""Every command of the page runs, in order, on a few small pictures; its table and example are those of the demo."""

import json
import re

import pytest
import torch
from docs_commands import ROOT, commands, title
from mmengine.config import Config
from new_parts import linked, run_command

from llv.apis import init_enhancer
from llv.apis.enhancers import enhancer_config, registered_enhancers
from llv.search import arch_parameters, candidate_costs, derived_complexity, discretized
from llv.testing import check_enhancer
from llv.utils.checkpoint import load_state_dict

PAGE = ROOT / 'docs' / 'new_search.md'
TEXT = PAGE.read_text(encoding='utf-8')
EDGES = ['edge_0', 'edge_1', 'edge_2']


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return linked(tmp_path_factory.mktemp('search'))


@pytest.fixture
def flicker(monkeypatch):
    """The class of the example, imported as the tools do."""
    monkeypatch.chdir(ROOT)
    name = enhancer_config('demo/new_search/flicker.py')['type']
    assert name == 'demo.new_search.flicker.Flicker'
    return registered_enhancers()[name]


def test_the_commands_run_in_their_order(folder, monkeypatch):
    for command in commands(TEXT):
        assert run_command(command, folder, monkeypatch) == 0, title(command)
    genotype = json.loads((folder / 'work_dirs/search_flicker/genotype.json').read_text())
    part = genotype['parts']['enhancer']
    assert part['space'] == 'flicker' and list(part['edges']) == EDGES
    assert genotype['parameters'] > 0 and genotype['macs'] > 0
    # what was trained is the network that was found, not the supernet
    trained = load_state_dict(folder / 'work_dirs/flicker/iter_1.pth')
    assert not any('arch_alpha' in name or 'candidates' in name for name in trained)
    assert list((folder / 'work_dirs/train_flicker/upstream').glob('*/result.json'))
    assert len(list((folder / 'work_dirs/lit').iterdir())) == 2


def test_the_table_names_the_candidates(flicker):
    rows = re.findall(r'^\| `(\w+)` \| ', TEXT, flags=re.MULTILINE)
    assert tuple(rows) == flicker().search_space.candidates


def test_the_supernet_is_the_sum_of_its_candidates(flicker):
    torch.manual_seed(0)
    enhancer = flicker().eval()
    edge = enhancer.edges[1]
    alpha = enhancer.architecture.arch_alpha
    alpha.data.normal_()
    x = torch.randn(2, 8, 7, 9)
    weights = alpha[1].exp() / alpha[1].exp().sum()
    expected = sum(w * kind(x) for w, kind in zip(weights, edge.candidates, strict=True))
    torch.testing.assert_close(edge(x), expected, rtol=1e-5, atol=1e-5)
    found = torch.autograd.grad(edge(x).square().sum(), alpha)[0]
    wanted = torch.autograd.grad(expected.square().sum(), alpha)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)
    assert [name for name, p in enhancer.named_parameters() if p is alpha] == [
        'architecture.arch_alpha'
    ]
    assert len(arch_parameters(enhancer)) == 1


def test_every_candidate_is_measured_as_the_network_that_has_it(flicker):
    enhancer = flicker().eval()
    costs = candidate_costs(enhancer, (12, 10))['']
    pixels, width = 12 * 10, 8
    assert costs[0].tolist() == [
        pixels * 9 * width * width,
        pixels * (25 * width + width * width),
        0,
        width * width,  # on one pixel
    ]
    alpha = enhancer.architecture.arch_alpha
    for chosen in range(4):
        alpha.data.zero_()
        alpha.data[:, chosen] = 1
        found = derived_complexity(enhancer, (12, 10))['macs']
        rest = pixels * (3 * width + width)
        assert found == rest + 3 * costs[0, chosen].item()


def test_the_derived_network_is_the_supernet_that_has_decided(flicker):
    enhancer = flicker().eval()
    alpha = enhancer.architecture.arch_alpha
    alpha.data.fill_(-200.0)
    for edge, chosen in enumerate((3, 1, 2)):
        alpha.data[edge, chosen] = 200.0
    images = torch.rand(2, 3, 6, 11)
    with discretized(enhancer):
        derived = enhancer(images).image
    torch.testing.assert_close(enhancer(images).image, derived)


@pytest.mark.parametrize('genotype', [None, ['conv_3x3', 'gate', 'blur_9x9']])
def test_it_keeps_the_promises_of_an_enhancer(flicker, genotype):
    given = dict(type='demo.new_search.flicker.Flicker', genotype=genotype)
    found = list(check_enhancer(given, skip=['onnx']))
    assert [o.sentence for o in found if o.status == 'broken'] == []


def test_a_genotype_of_another_space_is_refused(flicker):
    with pytest.raises(
        ValueError, match="'dilconv_3x3' on the edge `edge_0`.*choose from conv_3x3"
    ):
        init_enhancer('demo/new_search/flicker.py', genotype=['dilconv_3x3', 'gate', 'gate'])


def test_the_example_in_front_of_a_detector_builds(tmp_path, monkeypatch):
    pytest.importorskip('mmdet')
    from mmengine.registry import DefaultScope

    from llv.apis import clear_pretrained
    from llv.engine.loops.search_levels import divide
    from llv.registry import MODELS

    monkeypatch.chdir(ROOT)
    (example,) = re.findall(r'```python\n(_base_ = .*?)```', TEXT, flags=re.DOTALL)
    (tmp_path / 'example.py').write_text(example)
    cfg = Config.fromfile(tmp_path / 'example.py')
    clear_pretrained(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    levels = divide(model, None, cfg.train_cfg.get('task', 'rest'), 1.0, 'cooperative')
    assert [level.name for level in levels] == ['scene', 'task']
    assert all(level.alpha and level.omega for level in levels)
