import pytest
import torch

from llv.search.operations import OPERATIONS, build_operation


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
