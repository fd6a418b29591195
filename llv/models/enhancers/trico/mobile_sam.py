"""The picture encoder of MobileSAM: TinyViT with four stages, without neck and heads.

Zhang et al., "Faster Segment Anything", 2023; Wu et al., "TinyViT", ECCV 2022. Tensors have the names of the official
file behind its ``image_encoder.``, so that it loads strictly. Nothing depends on the size of the picture: the attention
knows offsets only.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (64, 128, 160, 320)
_BLOCKS = (2, 2, 6, 2)
_WINDOWS = (None, 7, 14, 7)
_HEAD_WIDTH = 32
_EXPANSION = 4
_MERGE_STRIDES = (2, 2, 1)  # MobileSAM stays at a sixteenth of the picture

_PREFIX = 'image_encoder.'
_UNUSED = ('neck.', 'norm_head.', 'head.')


class MobileSAMEncoder(nn.Module):
    """5 071 124 parameters; the features of the four stages, each taken before the merging that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Module()
        self.patch_embed.seq = nn.Sequential(
            ConvBN(3, WIDTHS[0] // 2, 3, stride=2),
            nn.GELU(),
            ConvBN(WIDTHS[0] // 2, WIDTHS[0], 3, stride=2),
        )
        self.layers = nn.ModuleList()
        for k, width in enumerate(WIDTHS):
            stage = nn.Module()
            stage.blocks = nn.Sequential(
                *(
                    WindowBlock(width, _WINDOWS[k]) if _WINDOWS[k] else ConvBlock(width)
                    for _ in range(_BLOCKS[k])
                )
            )
            if k + 1 < len(WIDTHS):
                stage.downsample = PatchMerging(width, WIDTHS[k + 1], _MERGE_STRIDES[k])
            self.layers.append(stage)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode.

        Args:
            images: (N, 3, H, W) RGB, normalised with the statistics of ImageNet; any size.

        Returns:
            (N, 64, …), (N, 128, …), (N, 160, …) and (N, 320, …) at strides 4, 8, 16 and 16, sizes rounded up.
        """
        x = self.patch_embed.seq(images)
        features = []
        for stage in self.layers:
            x = stage.blocks(x)
            features.append(x)
            if hasattr(stage, 'downsample'):
                x = stage.downsample(x)
        return features


def encoder_weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's part of ``mobile_sam.pt``, or of a file of the encoder alone, without neck and heads."""
    if any(name.startswith(_PREFIX) for name in state_dict):
        state_dict = {
            name.removeprefix(_PREFIX): tensor
            for name, tensor in state_dict.items()
            if name.startswith(_PREFIX)
        }
    return {name: tensor for name, tensor in state_dict.items() if not name.startswith(_UNUSED)}


class ConvBN(nn.Sequential):
    """A convolution without bias and batch normalisation.

    Args:
        inputs, outputs, kernel, stride, groups: Of the convolution, padded to keep the size.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)


class ConvBlock(nn.Module):
    """An inverted bottleneck with the input added before the last GELU.

    Args:
        width: Channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = _EXPANSION * width
        self.conv1 = ConvBN(width, hidden, 1)
        self.conv2 = ConvBN(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvBN(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class PatchMerging(nn.Module):
    """To the width of the next stage and, with stride 2, to half the size, rounded up.

    Args:
        inputs, outputs: Channels.
        stride: Of the depth-wise convolution in the middle.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(inputs, outputs, 1)
        self.conv2 = ConvBN(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvBN(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) in, (N, outputs, ⌈H/stride⌉, ⌈W/stride⌉) out."""
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class WindowBlock(nn.Module):
    """Attention in windows that are not shifted, a depth-wise convolution that joins them, and an MLP.

    Args:
        width: Channels in and out.
        window: Side of the windows.
    """

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, window)
        self.local_conv = ConvBN(width, width, 3, groups=width)
        self.mlp = nn.Module()
        self.mlp.norm = nn.LayerNorm(width)
        self.mlp.fc1 = nn.Linear(width, _EXPANSION * width)
        self.mlp.fc2 = nn.Linear(_EXPANSION * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        x = self.local_conv(x + self.attend(x))
        tokens = self.mlp.norm(x.permute(0, 2, 3, 1))
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(tokens))).permute(0, 3, 1, 2)

    def attend(self, x: Tensor) -> Tensor:
        """Attention within each window; the picture is filled up with zeros to whole windows, which take part."""
        height, width = x.shape[-2:]
        side = self.window
        padded = F.pad(x, (0, -width % side, 0, -height % side))
        rows, columns = (n // side for n in padded.shape[-2:])
        windows = padded.unflatten(3, (columns, side)).unflatten(2, (rows, side))
        windows = windows.permute(0, 2, 4, 3, 5, 1)  # (N, rows, columns, side, side, C)
        attended = self.attn(windows.flatten(3, 4).flatten(0, 2))
        attended = attended.unflatten(1, (side, side)).unflatten(0, (-1, rows, columns))
        attended = attended.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        return attended[..., :height, :width]


class WindowAttention(nn.Module):
    """Self-attention of the pixels of a window, with a learned bias for each absolute offset and head.

    Args:
        width: Channels.
        window: Side of the windows.
    """

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.heads = width // _HEAD_WIDTH
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(self.heads, window**2))
        self.register_buffer('index', bias_index(window), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(windows, side², C) in and out."""
        qkv = self.qkv(self.norm(tokens)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        query, key, value = qkv.chunk(3, dim=-1)
        bias = self.attention_biases[:, self.index]
        attended = F.scaled_dot_product_attention(query, key, value, bias)
        return self.proj(attended.transpose(1, 2).flatten(2))


def bias_index(window: int) -> Tensor:
    """Place of each pair of pixels in the table of biases: |Δrow|·window + |Δcolumn|, (window², window²)."""
    row, column = (
        places.flatten()
        for places in torch.meshgrid(torch.arange(window), torch.arange(window), indexing='ij')
    )
    rows = (row[:, None] - row).abs()
    return rows * window + (column[:, None] - column).abs()
