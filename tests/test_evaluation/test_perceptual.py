import sys

import pytest
import torch
import torch.nn.functional as F

from llv.evaluation.perceptual import brisque, fsim, fsim_ism, lpips, niqe
from llv.utils.pictures import read_picture, to_tensor


def pictures(count=2, size=(40, 52), seed=0):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    """An empty cache of torch, and no way to the network."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    # made once a process, with the proxies of that moment
    monkeypatch.setattr('urllib.request._opener', None)
    folder = tmp_path / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    return folder


def plain_lpips(x, y, features, heads):
    """From the paper: unit-normalised features, weighted squared differences, spatial means."""
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    x, y = ((2 * v - 1 - shift) / scale for v in (x, y))
    total, stage = 0, 0
    for layer in features:
        x, y = layer(x), layer(y)
        if isinstance(layer, torch.nn.ReLU):
            a, b = (v / (v.square().sum(1, keepdim=True).sqrt() + 1e-8) for v in (x, y))
            difference = F.conv2d((a - b).square(), heads[f'lin{stage}.model.1.weight'])
            total, stage = total + difference.mean(dim=(1, 2, 3)), stage + 1
            if stage == 5:
                return total


def test_lpips_is_its_definition_on_the_alexnet_in_the_cache(torch_home):
    library = pytest.importorskip('torchmetrics.functional.image.lpips')
    torchvision = pytest.importorskip('torchvision')
    torch.manual_seed(0)
    alexnet = torchvision.models.alexnet(weights=None)
    torch.save(alexnet.state_dict(), torch_home / 'alexnet-owt-7be5be79.pth')
    folder = library.__file__.rpartition('/')[0]
    heads = torch.load(f'{folder}/lpips_models/alex.pth', 'cpu', weights_only=True)
    x, y = pictures(2), pictures(2, seed=1)
    with torch.no_grad():
        features = [
            torch.nn.ReLU() if isinstance(layer, torch.nn.ReLU) else layer
            for layer in alexnet.features
        ]
        wanted = plain_lpips(x, y, features, heads)
    torch.testing.assert_close(lpips(x.double(), y.double()), wanted, atol=1e-6, rtol=1e-4)
    assert lpips(x, x).tolist() == [0, 0]
    with pytest.raises(ValueError, match='`lpips` needs pictures of at least 31 × 31'):
        lpips(x[..., :30], y[..., :30])


def test_lpips_without_its_file_says_what_to_put_where(torch_home):
    pytest.importorskip('torchmetrics')
    with pytest.raises(FileNotFoundError, match='`lpips` needs the AlexNet file') as caught:
        lpips(pictures(), pictures())
    assert str(torch_home / 'alexnet-owt-7be5be79.pth') in str(caught.value)
    assert 'https://download.pytorch.org/models/' in str(caught.value)
    assert not list(torch_home.iterdir())


class Surprise:
    def __reduce__(self):
        return print, ('code that a weight file ran',)


def test_files_that_would_run_code_are_refused(torch_home, capsys):
    pytest.importorskip('torchmetrics')
    pytest.importorskip('piq')
    for name, metric in (
        ('alexnet-owt-7be5be79.pth', lambda x: lpips(x, x)),
        ('brisque_svm_weights.pt', brisque),
    ):
        torch.save(dict(weight=Surprise()), torch_home / name)
        with pytest.raises(ValueError, match='is refused'):
            metric(pictures())
    assert 'code that' not in capsys.readouterr().out


def test_brisque_is_the_offset_of_its_regression_where_the_support_vectors_weigh_nothing(
    torch_home,
):
    pytest.importorskip('piq')
    with pytest.raises(FileNotFoundError, match='`brisque` needs the support vectors') as caught:
        brisque(pictures())
    file = torch_home / 'brisque_svm_weights.pt'
    assert str(file) in str(caught.value)
    torch.save((torch.zeros(5, 1), torch.rand(5, 36)), file)
    x = pictures(2)
    torch.testing.assert_close(brisque(x), torch.full((2,), 153.591))
    x[1] = 0.5
    with pytest.raises(ValueError, match='not defined for a picture of one colour'):
        brisque(x)


def test_fsim_compares_brightness_and_fsimc_colours_too(reference_dir):
    pytest.importorskip('piq')
    x = to_tensor(read_picture(reference_dir / 'ruas' / 'lol_00001_gt.png'))[None, :, 100:260, :200]
    # I and Q change, Y stays
    shift = torch.tensor([0.587 / 0.299, -1, 0]).view(1, 3, 1, 1) * 0.05
    x = 0.2 + 0.6 * x
    for chromatic in (False, True):
        torch.testing.assert_close(fsim(x, x, chromatic), torch.ones(1), atol=1e-5, rtol=0)
    assert fsim(x, x + shift).item() == pytest.approx(1, abs=1e-3)
    assert fsim(x, x + shift, chromatic=True).item() < 0.995
    gray = x.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    darker = 0.5 * gray
    torch.testing.assert_close(
        fsim(gray, darker), fsim(gray, darker, chromatic=True), atol=1e-5, rtol=0
    )
    assert fsim(gray, darker).item() < 1


@pytest.mark.parametrize(
    ('package', 'metric', 'remedy'),
    [
        ('torchmetrics.image', lambda x: lpips(x, x), r"pip install -e '\.\[metrics\]'"),
        ('piq', lambda x: fsim(x, x), r"pip install -e '\.\[metrics\]'"),
        ('piq', brisque, r"pip install -e '\.\[metrics\]'"),
        (
            'image_similarity_measures.quality_metrics',
            lambda x: fsim_ism(x, x),
            'pip install --no-deps image-similarity-measures phasepack',
        ),
        ('pyiqa', niqe, r'licence is noncommercial: .* `pip install pyiqa`'),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, package, metric, remedy):
    monkeypatch.setitem(sys.modules, package, None)  # what Python itself takes for missing
    with pytest.raises(ImportError, match=f'needs `{package.split(".")[0]}`.*{remedy}'):
        metric(pictures())
