import copy
import hashlib

import pytest
import torch
from torch import nn

from llv.models.losses import VGG19PerceptualLoss
from llv.models.losses.perceptual import vgg19_convolutions

# torchvision's configuration E, where M halves
LAYERS = [64, 64, 'M', 128, 128, 'M', *[256] * 4, 'M', *[512] * 4, 'M', *[512] * 4, 'M']
LOOKED_AT = (2, 7, 16, 25, 34)


def sequential():
    """``features`` of torchvision's VGG19."""
    layers, channels = [], 3
    for width in LAYERS:
        if width == 'M':
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


@pytest.fixture(scope='module')
def vgg(tmp_path_factory):
    """A generated VGG19 and its file, with a classifier that does not matter."""
    torch.manual_seed(0)
    net = sequential()
    state = {f'features.{name}': value for name, value in net.state_dict().items()}
    state['classifier.0.weight'] = torch.zeros(2, 2)
    file = tmp_path_factory.mktemp('vgg') / 'vgg19.pth'
    torch.save(state, file)
    return net, file


@pytest.fixture(scope='module')
def pictures():
    return torch.rand(2, 1, 3, 19, 16, generator=torch.Generator().manual_seed(1)).unbind()


def test_indices_are_those_of_torchvision():
    from torchvision.models import vgg19

    with torch.device('meta'):
        net = vgg19(weights=None).features
    convolutions = [(i, m) for i, m in enumerate(net) if isinstance(m, nn.Conv2d)]
    assert vgg19_convolutions() == [(i, m.in_channels, m.out_channels) for i, m in convolutions]
    indices = [i for i, _ in convolutions]
    assert [indices[n] for n in (1, 3, 7, 11, 15)] == list(LOOKED_AT)
    assert all(isinstance(net[i + 1], nn.ReLU) for i in LOOKED_AT)


def test_equals_the_layers_one_by_one(vgg, pictures):
    net, file = vgg
    loss = VGG19PerceptualLoss(str(file))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    found = []
    for picture in pictures:
        x, seen = (picture - mean) / deviation, []
        for index, layer in enumerate(net[:35]):
            x = layer(x.clone())  # the ReLU would not be in place, but say so
            if index in LOOKED_AT:
                seen.append(x)
        found.append(seen)
    for own, wanted in zip(loss.features(pictures[0]), found[0], strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-5, atol=1e-6)
    wanted = 0.01 * sum(
        w * (a - b).abs().mean() for w, a, b in zip((0.1, 0.1, 1, 1, 1), *found, strict=True)
    )
    assert loss(*pictures).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert VGG19PerceptualLoss(file, factor=1.0)(*pictures).item() == pytest.approx(
        100 * wanted.item(), rel=1e-5
    )


def test_only_the_first_picture_gets_gradients(vgg, pictures):
    x, y = (picture.clone().requires_grad_() for picture in pictures)
    VGG19PerceptualLoss(vgg[1])(x, y).backward()
    assert x.grad.any() and y.grad is None


def test_the_filters_are_no_state(vgg, pictures):
    loss = VGG19PerceptualLoss(vgg[1])
    assert not list(loss.parameters()) and not list(loss.buffers()) and not loss.state_dict()
    double = copy.deepcopy(nn.Sequential(loss)).double()[0]
    assert double.features(pictures[0].double())[0].dtype == torch.float64
    assert loss.features(pictures[0])[0].dtype == torch.float32
    assert all(not w.requires_grad for pair in loss._filters for w in pair)


def test_without_the_file_the_first_forward_says_so(tmp_path, pictures):
    loss = VGG19PerceptualLoss(str(tmp_path / 'gone.pth')).double()  # as a model that is only used
    with pytest.raises(FileNotFoundError, match='gone.pth` are not there; .*`perceptual=None`'):
        loss(*pictures)


def test_a_wrong_file_is_one_sentence(vgg, tmp_path):
    net, file = vgg
    for change, name in (
        (lambda s: s.pop('features.34.bias'), 'features.34.bias'),
        (lambda s: s.update({'features.35.weight': torch.zeros(1)}), 'features.35.weight'),
        (lambda s: s.update({'features.0.weight': torch.zeros(64, 1, 3, 3)}), 'features.0.weight'),
    ):
        state = torch.load(file, weights_only=True)
        change(state)
        torch.save(state, tmp_path / 'other.pth')
        with pytest.raises(ValueError, match=f'VGG19 .*`{name}`'):
            VGG19PerceptualLoss(str(tmp_path / 'other.pth'))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    VGG19PerceptualLoss(file, sha256=digest)
    with pytest.raises(ValueError, match='damaged or another one'):
        VGG19PerceptualLoss(file, sha256='0' * 64)
    named = tmp_path / 'vgg19-dcbb9e9d.pth'
    named.symlink_to(file)
    with pytest.raises(ValueError, match='and not dcbb9e9d'):
        VGG19PerceptualLoss(named)
    with pytest.raises(ValueError, match='`layer_weights`'):
        VGG19PerceptualLoss(file, layer_weights=(1, 1))
    with pytest.raises(ValueError, match='larger crops'):
        VGG19PerceptualLoss(file).features(torch.zeros(1, 3, 15, 20))
