"""The frozen networks that tell TriCo what a picture shows."""

import pytest
import torch
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from llv.models.enhancers.trico.mobile_sam import MobileSAMEncoder, WindowBlock, bias_index
from llv.models.enhancers.trico.prior import MobileSAMPrior, TorchvisionPrior
from llv.models.enhancers.trico.trico import TriCo

SMALL = dict(width=8, illumination_width=4, blocks=(1, 1, 1, 1), heads=(1, 2, 2, 4))


# ---------------------------------------------------------------- MobileSAM


def official_layout():
    """Names and shapes of the tensors of the encoder in `mobile_sam.pt`, from the published layout."""
    shapes = {}

    def pair(name, inputs, outputs, kernel):
        shapes[f'{name}.c.weight'] = (outputs, inputs, kernel, kernel)
        for part in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.bn.{part}'] = (outputs,)
        shapes[f'{name}.bn.num_batches_tracked'] = ()

    def affine(name, inputs, outputs=None):
        shapes[f'{name}.weight'] = (inputs,) if outputs is None else (outputs, inputs)
        shapes[f'{name}.bias'] = (outputs or inputs,)

    pair('patch_embed.seq.0', 3, 32, 3)
    pair('patch_embed.seq.2', 32, 64, 3)
    for j in (0, 1):
        for name, *sizes in (('conv1', 64, 256, 1), ('conv2', 1, 256, 3), ('conv3', 256, 64, 1)):
            pair(f'layers.0.blocks.{j}.{name}', *sizes)
    widths = (64, 128, 160, 320)
    for k, blocks, heads, window in ((1, 2, 4, 7), (2, 6, 5, 14), (3, 2, 10, 7)):
        width = widths[k]
        for j in range(blocks):
            block = f'layers.{k}.blocks.{j}'
            shapes[f'{block}.attn.attention_biases'] = (heads, window**2)
            affine(f'{block}.attn.norm', width)
            affine(f'{block}.attn.qkv', width, 3 * width)
            affine(f'{block}.attn.proj', width, width)
            pair(f'{block}.local_conv', 1, width, 3)
            affine(f'{block}.mlp.norm', width)
            affine(f'{block}.mlp.fc1', width, 4 * width)
            affine(f'{block}.mlp.fc2', 4 * width, width)
    for k in range(3):
        merge, a, b = f'layers.{k}.downsample', widths[k], widths[k + 1]
        pair(f'{merge}.conv1', a, b, 1)
        pair(f'{merge}.conv2', 1, b, 3)
        pair(f'{merge}.conv3', b, b, 1)
    return shapes


UNUSED = {
    'norm_head.weight': (320,),
    'norm_head.bias': (320,),
    'head.weight': (1000, 320),
    'head.bias': (1000,),
    'neck.0.weight': (256, 320, 1, 1),
    'neck.1.weight': (256,),
    'neck.2.weight': (256, 256, 3, 3),
    'neck.3.bias': (256,),
}


@pytest.fixture(scope='module')
def official(tmp_path_factory):
    """A file of the official layout, with the decoder's tensors beside the encoder's."""
    generator = torch.Generator().manual_seed(0)
    state = {
        f'image_encoder.{name}': 0.02 + 0.05 * torch.rand(shape, generator=generator)
        if shape
        else torch.tensor(0)
        for name, shape in {**official_layout(), **UNUSED}.items()
    }
    state['mask_decoder.iou_token.weight'] = torch.rand(1, 256)
    state['prompt_encoder.no_mask_embed.weight'] = torch.rand(1, 256)
    path = tmp_path_factory.mktemp('sam') / 'mobile_sam.pt'
    torch.save(state, path)
    return str(path), state


def test_parameters_of_the_encoder():
    with torch.device('meta'):
        encoder = MobileSAMEncoder()
    parts = [encoder.patch_embed, *encoder.layers]
    counts = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert counts == [19488, 98944, 448232, 2030520, 2473940]
    assert sum(p.numel() for p in encoder.parameters()) == 5071124


def test_every_official_tensor_of_the_encoder_lands_under_its_name(official):
    path, state = official
    prior = MobileSAMPrior(path)
    own = prior.encoder.state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in own.items()} == official_layout()
    for name, tensor in own.items():
        assert torch.equal(tensor, state[f'image_encoder.{name}']), name
    assert prior.out_channels == (64, 128, 160, 320)


@torch.no_grad()
def test_the_network_takes_the_official_file_and_pictures_of_any_size(official):
    enhancer = TriCo(2, **SMALL, prior=dict(type='sam', weights=official[0])).eval()
    assert enhancer(torch.rand(1, 3, 37, 21)).image.shape == (1, 3, 74, 42)
    again = enhancer.prior(torch.rand(1, 3, 37, 21))
    assert [tuple(f.shape) for f in again] == [
        (1, 64, 10, 6),
        (1, 128, 5, 3),
        (1, 160, 3, 2),
        (1, 320, 3, 2),
    ]
    assert 0 < again[3].abs().max() < float('inf')


@pytest.mark.parametrize('change', ['missing', 'unknown', 'shape'])
def test_a_file_of_another_architecture_is_refused(official, tmp_path, change):
    state = dict(official[1])
    name = 'image_encoder.layers.2.blocks.5.attn.attention_biases'
    if change == 'missing':
        del state[name]
    elif change == 'unknown':
        state['image_encoder.layers.2.blocks.6.attn.proj.bias'] = torch.zeros(160)
    else:
        state[name] = torch.zeros(5, 49)
    torch.save(state, tmp_path / 'other.pt')
    with pytest.raises(
        ValueError, match=r'another network than MobileSAM: 1 tensors do not fit \(first: `layers.2'
    ):
        MobileSAMPrior(str(tmp_path / 'other.pt'))


def test_the_bias_index_is_the_place_in_the_official_enumeration():
    for window in (2, 7):
        points = [(row, column) for row in range(window) for column in range(window)]
        offsets = {}
        expected = []
        for a in points:
            for b in points:
                offset = abs(a[0] - b[0]), abs(a[1] - b[1])
                expected.append(offsets.setdefault(offset, len(offsets)))
        assert bias_index(window).flatten().tolist() == expected
        assert len(offsets) == window**2


@torch.no_grad()
def test_window_attention_equals_pairs_of_pixels_counted_one_by_one():
    torch.manual_seed(0)
    block = WindowBlock(64, 3).eval()
    torch.nn.init.normal_(block.attn.attention_biases)
    torch.nn.init.normal_(block.attn.norm.bias)
    x = torch.randn(1, 64, 4, 5)
    padded = torch.zeros(64, 6, 6)
    padded[:, :4, :5] = x[0]
    attn = block.attn
    expected = torch.zeros(64, 6, 6)
    for top in (0, 3):
        for left in (0, 3):
            places = [(top + r, left + c) for r in range(3) for c in range(3)]
            pixels = torch.stack([padded[:, r, c] for r, c in places])
            mean, var = pixels.mean(1, keepdim=True), pixels.var(1, keepdim=True, unbiased=False)
            normed = (pixels - mean) / (var + 1e-5).sqrt() * attn.norm.weight + attn.norm.bias
            qkv = normed @ attn.qkv.weight.T + attn.qkv.bias
            joined = []
            for head in range(2):  # each head has its q, k and v side by side
                q, k, v = qkv[:, 96 * head : 96 * (head + 1)].split(32, 1)
                logits = torch.stack(
                    [
                        torch.stack(
                            [
                                (q[i] @ k[j]) * 32**-0.5
                                + attn.attention_biases[
                                    head, abs(i // 3 - j // 3) * 3 + abs(i % 3 - j % 3)
                                ]
                                for j in range(9)
                            ]
                        )
                        for i in range(9)
                    ]
                )
                joined.append(logits.softmax(1) @ v)
            out = torch.cat(joined, 1) @ attn.proj.weight.T + attn.proj.bias
            for (r, c), value in zip(places, out, strict=True):
                expected[:, r, c] = value
    torch.testing.assert_close(block.attend(x)[0], expected[:, :4, :5], rtol=1e-4, atol=1e-5)


def test_a_missing_file_names_the_two_alternatives(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    picture = torch.rand(1, 3, 8, 8)
    asked = [
        ('sam', '`.*mobile_sam.pt` is not there', ("prior='torchvision'", "prior='none'")),
        (
            dict(type='sam', weights='gone.pt'),
            '`gone.pt` is not there',
            ("prior='torchvision'", "prior='none'"),
        ),
        ('torchvision', '`.*resnet18-.*pth` is not there', ("prior='sam'", "prior='none'")),
    ]
    for prior, sentence, alternatives in asked:
        enhancer = TriCo(1, **SMALL, prior=prior)
        with pytest.raises(FileNotFoundError, match=sentence) as error:
            enhancer(picture)
        assert all(name in str(error.value) for name in alternatives)
    # what was asked for by name is not replaced by chance
    prior = dict(type='sam', weights='gone.pt', allow_random_init=True)
    with pytest.raises(FileNotFoundError, match='gone.pt'):
        TriCo(1, **SMALL, prior=prior)(picture)


# ---------------------------------------------------------------- torchvision


@torch.no_grad()
def test_the_features_of_resnet_are_those_of_its_four_layers(tmp_path):
    torch.manual_seed(0)
    network = resnet18().eval()
    torch.save(network.state_dict(), tmp_path / 'resnet18.pth')
    prior = TorchvisionPrior(weights=str(tmp_path / 'resnet18.pth'))
    assert prior.out_channels == (64, 128, 256, 512)
    picture = torch.rand(1, 3, 40, 72)
    layers = create_feature_extractor(network, ['layer1', 'layer2', 'layer3', 'layer4'])
    mean, std = (
        torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    for found, expected in zip(
        prior(picture), layers((picture - mean) / std).values(), strict=True
    ):
        torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_other_networks_give_the_last_features_at_each_stride():
    prior = TorchvisionPrior('mobilenet_v2', allow_random_init=True)
    assert prior.out_channels == (24, 32, 96, 1280)
    shapes = [f.shape for f in prior(torch.rand(1, 3, 64, 96))]
    expected = zip(prior.out_channels, (4, 8, 16, 32), strict=True)
    assert shapes == [(1, c, 64 // s, 96 // s) for c, s in expected]
    assert all(f.isfinite().all() for f in prior(torch.rand(1, 3, 8, 5)))


def test_networks_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match='torchvision has no network `resnet19`'):
        TorchvisionPrior('resnet19')
    with pytest.raises(ValueError, match='features of `squeezenet1_1` do not come at strides'):
        TorchvisionPrior('squeezenet1_1', allow_random_init=True)
    torch.save({'features.0.weight': torch.zeros(64, 3, 3, 3)}, tmp_path / 'vgg.pth')
    with pytest.raises(ValueError, match='another network than resnet18'):
        TorchvisionPrior(weights=str(tmp_path / 'vgg.pth'))


# ---------------------------------------------------------------- both


@torch.no_grad()
def test_the_long_side_is_resized_on_request():
    native = TorchvisionPrior(allow_random_init=True)
    resized = TorchvisionPrior(allow_random_init=True, long_side=128)
    resized.load_state_dict(native.state_dict())
    picture = torch.rand(1, 3, 32, 64)
    assert [f.shape[-2:] for f in resized(picture)] == [(64 // s, 128 // s) for s in (4, 8, 16, 32)]
    larger = torch.nn.functional.interpolate(picture, (64, 128), mode='bilinear')
    torch.testing.assert_close(resized(picture)[0], native(larger)[0])
    with pytest.raises(ValueError, match='`long_side` must be a positive number'):
        TorchvisionPrior(allow_random_init=True, long_side=0)
