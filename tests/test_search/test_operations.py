import pytest
import torch

from llv.search.operations import LAYERS, OPERATIONS, build_layer, build_operation


@pytest.mark.parametrize(
    'name, size, dilation, residual',
    [
        ('conv_1x1', 1, 1, False),
        ('conv_3x3', 3, 1, False),
        ('conv_5x5', 5, 1, False),
        ('conv_7x7', 7, 1, False),
        ('dilconv_3x3', 3, 2, False),
        ('dilconv_5x5', 5, 2, False),
        ('dilconv_7x7', 7, 2, False),
        ('resconv_1x1', 1, 1, True),
        ('resconv_3x3', 3, 1, True),
        ('resdilconv_3x3', 3, 2, True),
    ],
)
def test_impulse_response(name, size, dilation, residual):
    """An impulse comes out as the flipped kernel at the taps, plus the bias, plus itself."""
    operation = build_operation(name, 2)
    weight, bias = operation.conv.weight.detach(), operation.conv.bias.detach()
    images = torch.zeros(1, 2, 17, 17)
    images[0, 1, 8, 8] = 1
    expected = bias.view(1, 2, 1, 1).expand(1, 2, 17, 17).clone()
    for i in range(size):
        for j in range(size):
            di, dj = (i - size // 2) * dilation, (j - size // 2) * dilation
            expected[0, :, 8 - di, 8 - dj] += weight[:, 1, i, j]
    if residual:
        expected += images
    torch.testing.assert_close(operation(images).detach(), expected)
    assert operation.radius == dilation * (size // 2)


def test_skip_connect_is_the_identity_without_parameters():
    operation = build_operation('skip_connect', 3)
    images = torch.rand(1, 3, 2, 2)
    assert operation(images) is images
    assert not operation.state_dict() and operation.radius == 0


def test_the_table_holds_nothing_else():
    assert len(OPERATIONS) == 11


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match='did you mean `conv_3x3`'):
        build_operation('conv_3_3', 3)
    with pytest.raises(ValueError, match='choose from skip_connect'):
        build_operation('?', 3)


# ------------------------------------------------- layers of high-level tasks

LAYER_SHAPES = dict(
    conv_1x1=(1, 1),
    conv_3x3=(3, 1),
    conv_5x5=(5, 1),
    conv_7x7=(7, 1),
    dilconv_3x3=(3, 2),
    dilconv_5x5=(5, 2),
    dilconv_7x7=(7, 2),
    dilconv_3x3_6=(3, 6),
    dilconv_3x3_12=(3, 12),
    dilconv_3x3_18=(3, 18),
)


def test_the_ten_layers_of_table_i():
    assert LAYERS.keys() == LAYER_SHAPES.keys()


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('name', LAYER_SHAPES)
def test_a_layer_is_the_sum_over_its_taps(name, stride):
    """Written out: shift the zero-padded picture, weigh it, add up, keep each stride-th pixel."""
    size, dilation = LAYER_SHAPES[name]
    layer = build_layer(name, 2, 3, stride)
    images = torch.randn(2, 2, 7, 10)
    margin = dilation * (size // 2)
    padded = torch.zeros(2, 2, 7 + 2 * margin, 10 + 2 * margin)
    padded[..., margin : margin + 7, margin : margin + 10] = images
    expected = layer.bias.view(1, 3, 1, 1).expand(2, 3, 7, 10).clone()
    for i in range(size):
        for j in range(size):
            di, dj = i * dilation, j * dilation
            shifted = padded[..., di : di + 7, dj : dj + 10]
            expected += torch.einsum('oc,nchw->nohw', layer.weight[..., i, j], shifted)
    torch.testing.assert_close(layer(images), expected[..., ::stride, ::stride])


@pytest.mark.parametrize('height, width', [(1, 1), (2, 5), (31, 47)])
def test_a_stride_of_two_gives_half_the_size_rounded_up_for_every_layer(height, width):
    for name in LAYERS:
        out = build_layer(name, 1, 1, stride=2)(torch.zeros(1, 1, height, width))
        assert out.shape[2:] == (-(-height // 2), -(-width // 2)), name


def test_an_unknown_layer_suggests_the_nearest():
    with pytest.raises(ValueError, match='no layer `dilconv_3x3_16`; did you mean `dilconv_3x3_'):
        build_layer('dilconv_3x3_16', 1, 1)
    with pytest.raises(ValueError, match='There is no layer `skip`; choose from conv_1x1'):
        build_layer('skip', 1, 1)


@pytest.mark.parametrize('name', LAYER_SHAPES)
def test_only_the_rates_of_the_pyramid_follow_the_stride_of_the_map(name):
    size, dilation = LAYER_SHAPES[name]
    layer = build_layer(name, 1, 1, dilation_scale=2)
    wanted = 2 * dilation if dilation > 2 else dilation
    assert layer.dilation == (wanted, wanted)
    assert layer(torch.zeros(1, 1, 5, 9)).shape == (1, 1, 5, 9)
    assert layer.kernel_size == (size, size)


@pytest.mark.parametrize('scale', [0, 1.5, '2'])
def test_a_scale_that_is_no_whole_number_from_one_is_refused(scale):
    with pytest.raises(ValueError, match='`dilation_scale` must be a whole number from 1'):
        build_layer('conv_1x1', 1, 1, dilation_scale=scale)
