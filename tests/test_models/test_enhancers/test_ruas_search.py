"""RUAS as a supernet: published figures of the search, checkpoints, and what is derived."""

import copy

import numpy as np
import pytest
import torch
from mmengine.model import ExponentialMovingAverage

from llv.models import EnhancementModel
from llv.models.enhancers.ruas import RUAS
from llv.search.genotype_file import load_genotype, write_genotype
from llv.search.searchable import arch_parameters, derive_genotype, searchable_modules
from llv.search.spaces import LOW_LEVEL

EDGES = ('c1_d', 'c1_r', 'c2_d', 'c2_r', 'c3_d', 'c3_r', 'c4')  # in the released search
BOTH = dict(version='RUAS', scene_genotype='search', noise_genotype='search')


def supernet(**options):
    torch.manual_seed(0)
    return RUAS(**{**BOTH, **options})


# ---------------------------------------------------------------- published


def official_names(enhancer):
    """The tensors of the supernet by the names of the released search."""
    cells = {f'enhance_net.iems.{k}.cell': cell for k, cell in enumerate(enhancer.scene.stages)}
    cells |= {f'denoise_net.nrms.{k}': cell for k, cell in enumerate(enhancer.denoiser.cells)}
    layers = {
        'denoise_net.stem': enhancer.denoiser.stem,
        'denoise_net.activate.0': enhancer.denoiser.head,
    }
    for prefix, cell in cells.items():
        layers[f'{prefix}.c5'] = cell.fuse
        for row, edge in enumerate(EDGES):
            mixed = (cell.refine if row % 2 else cell.distill)[row // 2]
            for index, candidate in list(enumerate(mixed.candidates))[1:]:
                layers[f'{prefix}.{edge}._ops.{index}.op'] = candidate.conv
    return {
        f'{name}.{kind}': getattr(layer, kind)
        for name, layer in layers.items()
        for kind in ('weight', 'bias')
    }


def pattern(a, b, c, m):
    k, i, j = np.ogrid[:3, :16, :20]
    return torch.from_numpy(((i * a + j * b + k * c) % m / (m - 1)).astype(np.float32))[None]


@pytest.fixture
def formula(reference_dir):
    """The supernet with the artificial weights of the reference, and the reference."""
    golden = np.load(reference_dir / 'ruas' / 'search_formula.npz')
    enhancer = supernet()
    tensors = official_names(enhancer)
    for n, name in enumerate(sorted(tensors)):
        tensor = tensors[name]
        scale = 0.05 if tensor.ndim == 1 else (3 / tensor[0].numel()) ** 0.5
        values = scale * np.sin(0.7 * np.arange(tensor.numel()) + 1.3 * n)
        tensor.data = torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape)
    r, c = np.ogrid[:7, :7]
    for part, values in (
        (enhancer.scene, 0.3 * np.sin(1.1 * r + 0.9 * c)),
        (enhancer.denoiser, 0.3 * np.cos(0.8 * r + 1.7 * c)),
    ):
        part.architecture.arch_alpha.data = torch.from_numpy(values.astype(np.float32))
    return enhancer, golden


def test_published_supernet_results(formula):
    enhancer, golden = formula
    images = pattern(11, 3, 31, 101)
    with torch.no_grad():
        result = enhancer(images)
    for name, ours in (
        ('u_stage3_train', result.maps['scene']),
        ('t_stage3_train', result.maps['illumination']),
        ('u_out_train', result.maps['raw']),
    ):
        np.testing.assert_allclose(ours[0].numpy(), golden[name], rtol=0, atol=5e-6)


def test_published_search_losses_and_first_order_gradients(formula):
    enhancer, golden = formula
    images = pattern(11, 3, 31, 101)
    losses = enhancer.loss(enhancer(images), images)
    task = losses.pop('loss_denoise')
    assert sum(losses.values()).item() == pytest.approx(float(golden['scene_loss_train']), rel=1e-5)
    assert task.item() == pytest.approx(float(golden['task_loss_train']), rel=1e-5)

    other = pattern(7, 13, 29, 97)
    losses = enhancer.loss(enhancer(other), other)
    total = sum(losses.values())
    assert total.item() == pytest.approx(float(golden['arch_loss_valid']), rel=1e-5)
    alpha_s, alpha_t = (
        part.architecture.arch_alpha for part in (enhancer.scene, enhancer.denoiser)
    )
    (gradient,) = torch.autograd.grad(total, alpha_s, retain_graph=True)
    np.testing.assert_allclose(
        gradient.numpy(), golden['first_order_grad_alpha_s'], rtol=0, atol=1e-6
    )
    (gradient,) = torch.autograd.grad(losses['loss_denoise'], alpha_t)
    np.testing.assert_allclose(
        gradient.numpy(), golden['first_order_grad_alpha_t'], rtol=0, atol=1e-6
    )


def test_the_supernet_has_the_size_of_the_released_one():
    enhancer = supernet()
    counts = [sum(p.numel() for n, p in part.named_parameters() if 'arch_' not in n)
              for part in (enhancer.scene, enhancer.denoiser)]  # fmt: skip
    assert counts == [7677, 30267]
    assert [tuple(value.shape) for value in arch_parameters(enhancer)] == [(7, 7), (7, 7)]


@pytest.mark.parametrize(
    'file, version, genotypes, count',
    [
        ('lol.pt', 'RUAS_S', dict(scene_genotype='ruas-scene'), 1161),
        ('cvpr21_lol.pt', 'RUAS', dict(scene_genotype='ruas-scene', noise_genotype='ruas-noise-cvpr'), 3438),
        ('lol.pt', 'RUAS_A', dict(noise_genotype='ruas-noise-journal'), 36653),
    ],
)  # fmt: skip
def test_published_genotypes_as_files_build_the_published_networks(
    reference_dir, tmp_path, file, version, genotypes, count
):
    """As a name, as a file of one's own, and as what the file holds; a crop stands for the picture."""
    weights = str(reference_dir / 'ruas' / file)
    published = RUAS(version, weights=weights).eval()
    images = torch.rand(1, 3, 24, 24) * 0.4
    for kind in ('name', 'file', 'content'):
        asked = {}
        for argument, name in genotypes.items():
            write_genotype(tmp_path / f'{name}.json', load_genotype(name))
            ways = dict(name=name, file=tmp_path / f'{name}.json', content=load_genotype(name))
            asked[argument] = ways[kind]
        enhancer = RUAS(version, weights=weights, **asked).eval()
        assert sum(p.numel() for p in enhancer.parameters()) == count
        with torch.no_grad():
            assert torch.equal(enhancer(images).image, published(images).image)


def test_a_published_genotype_gives_the_golden_output(reference_dir):
    import cv2

    folder = reference_dir / 'ruas'
    golden = np.load(folder / 'cvpr21_lol__lol_00001.npz')
    genotypes = dict(scene_genotype='ruas-scene', noise_genotype='ruas-noise-cvpr')
    enhancer = RUAS('RUAS', weights=str(folder / 'cvpr21_lol.pt'), **genotypes).eval()
    picture = cv2.imread(str(folder / 'lol_00001_input.png'))[..., ::-1].copy()
    with torch.no_grad():
        raw = enhancer(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255).maps['raw'][
            0
        ]
    y, x, size = golden['crop_yx_size'].tolist()
    crop = raw[:, y : y + size, x : x + size].numpy()
    np.testing.assert_allclose(crop, golden['u_out'], rtol=0, atol=1e-5)


# ---------------------------------------------------------------- searching


def test_the_loss_of_the_denoiser_moves_the_scene_module_only_where_that_is_searched():
    images = torch.rand(2, 3, 8, 8) * 0.3
    for scene, moved in (('search', True), (None, False)):
        torch.manual_seed(0)
        enhancer = RUAS('RUAS', scene_genotype=scene, noise_genotype='search')
        task = enhancer.loss(enhancer(images), images)['loss_denoise']
        weights = list(enhancer.scene.parameters())
        found = torch.autograd.grad(task, weights, allow_unused=True)
        assert any(g is not None and (g != 0).any() for g in found) == moved


@pytest.mark.parametrize(
    'version, parts', [('RUAS_S', ['scene']), ('RUAS_A', ['scene', 'denoiser'])]
)
def test_each_part_can_be_searched(version, parts):
    for searched in [*([part] for part in parts), parts]:
        names = dict(scene='scene_genotype', denoiser='noise_genotype')
        enhancer = RUAS(version, **{names[part]: 'search' for part in searched})
        assert list(searchable_modules(enhancer)) == searched
        images = torch.rand(1, 3, 6, 7)
        loss = sum(enhancer.loss(enhancer(images), images).values())
        for gradient in torch.autograd.grad(loss, arch_parameters(enhancer)):
            assert gradient.isfinite().all() and (gradient != 0).any()


def test_a_supernet_reaches_as_far_as_its_widest_candidates():
    # two pixels an edge, four edges one after the other in a cell, and a local maximum a stage
    assert supernet(version='RUAS_S', noise_genotype=None).receptive_field == 1 + 2 * (3 * 8 + 3)
    assert supernet().receptive_field == 1 + 2 * (3 * 8 + 3 + 3 * 8 + 2)


def decided():
    enhancer = supernet()
    alpha = enhancer.scene.architecture.arch_alpha.data
    for row in range(7):
        alpha[row, row] = 1.0
    enhancer.denoiser.architecture.arch_alpha.data[:, 4] = 1.0
    return enhancer


def test_what_is_derived_is_what_the_constructor_takes():
    found = decided().derive()
    assert list(found['scene_genotype']['edges'].values()) == list(LOW_LEVEL.candidates)
    derived = RUAS('RUAS', **found)
    assert not searchable_modules(derived) and derived.derive() == found
    assert set(derived.denoiser.genotype.values()) == {'resconv_1x1'}


def test_one_file_of_a_search_serves_both_parts(tmp_path):
    enhancer = decided()
    path = tmp_path / 'genotype.json'
    model = EnhancementModel(dict(type='llv.RUAS', **BOTH))
    model.enhancer.load_state_dict(enhancer.state_dict())
    write_genotype(path, derive_genotype(model))
    assert list(load_genotype(path)['parts']) == ['enhancer.scene', 'enhancer.denoiser']
    derived = RUAS('RUAS', scene_genotype=path, noise_genotype=str(path))
    assert derived.derive() == enhancer.derive()


def test_a_checkpoint_of_the_derived_network_needs_no_genotype_file(tmp_path):
    made = RUAS('RUAS', **decided().derive())
    torch.save(made.state_dict(), tmp_path / 'derived.pth')
    again = RUAS('RUAS', weights=tmp_path / 'derived.pth')
    assert again.derive() == made.derive()
    images = torch.rand(1, 3, 6, 6)
    assert torch.equal(again(images).image, made(images).image)


def test_a_checkpoint_of_a_supernet_builds_the_supernet(tmp_path):
    made = decided()
    path = tmp_path / 'supernet.pth'
    torch.save(made.state_dict(), path)
    images = torch.rand(1, 3, 6, 6)
    for again in (RUAS('RUAS', weights=path), RUAS(weights=path, **BOTH)):
        assert torch.equal(again(images).image, made(images).image)
        assert again.derive() == made.derive()
    scene = RUAS(weights=path)
    assert torch.equal(scene(images).image, made(images).maps['scene'])
    with pytest.raises(ValueError, match="`scene_genotype=.* contradicts .*made with 'search'"):
        RUAS('RUAS', weights=path, scene_genotype='ruas-scene')


@pytest.mark.parametrize(
    'searched, fixed', [(BOTH, dict(version='RUAS')), (dict(version='RUAS'), BOTH)]
)
def test_supernets_and_fixed_networks_refuse_each_others_checkpoints(searched, fixed):
    with pytest.raises(ValueError, match='made with `scene_genotype=') as error:
        RUAS(**searched).load_state_dict(RUAS(**fixed).state_dict())
    assert '\n' not in str(error.value)


def assert_shared(enhancer):
    for part, cells in (
        (enhancer.scene, enhancer.scene.stages),
        (enhancer.denoiser, enhancer.denoiser.cells),
    ):
        for cell in cells:
            assert all(
                edge.architecture is part.architecture for edge in (*cell.distill, *cell.refine)
            )


def test_copies_and_averages_keep_one_alpha_a_part():
    enhancer = decided()
    average = ExponentialMovingAverage(enhancer, momentum=0.5, update_buffers=True)
    for other in (copy.deepcopy(enhancer), average.module):
        assert_shared(other)
        assert other.scene.architecture is not enhancer.scene.architecture
    first = enhancer.scene.architecture.arch_alpha.data.clone()
    average.update_parameters(enhancer)
    enhancer.scene.architecture.arch_alpha.data += 1
    average.update_parameters(enhancer)
    torch.testing.assert_close(average.module.scene.architecture.arch_alpha.data, first + 0.5)
    assert_shared(average.module)
    enhancer.load_state_dict(average.module.state_dict(), strict=True)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(noise_genotype='search'), 'RUAS_S has no noise removal to search'),
        (dict(scene_genotype='ruas-noise-cvpr'), "`module='noise_removal'`, but this is a `scene_module`"),
        (dict(scene_genotype='ruas-darkface'), 'holds no genotype of a `scene_module`, only of `ssd_neck`'),
        (dict(scene_genotype='no.json'), '`no.json` is neither a file nor the name'),
        (dict(scene_genotype=['skip_connect'] * 6), 'has 7 names'),
    ],
)  # fmt: skip
def test_refuses_genotypes_of_something_else(options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        RUAS(**options)
    assert '\n' not in str(error.value)
