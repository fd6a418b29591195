"""The published face detectors a second time: their files made up name by name, and their forward passes as plain
functions of such a file. Shares no code with llv."""

import torch
import torch.nn.functional as F

KINDS = ('s3fd', 'pyramidbox', 'dsfd-release', 'dsfd-vgg')
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
VGG = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512}
VGG |= {24: 512, 26: 512, 28: 512}


def shapes(kind, width=1.0, depth=152):
    """Names and shapes of a published file; ``width`` multiplies the channels inside, rounded to eights."""
    found = {}

    def c(channels):
        return max(8, round(channels * width / 8) * 8)

    def conv(name, cin, cout, k, bias=True):
        found[f'{name}.weight'] = (cout, cin, k, k)
        if bias:
            found[f'{name}.bias'] = (cout,)

    def norm(name, channels):
        for part in ('weight', 'bias', 'running_mean', 'running_var'):
            found[f'{name}.{part}'] = (channels,)
        found[f'{name}.num_batches_tracked'] = ()

    def vgg():
        cin = 3
        for index, channels in VGG.items():
            conv(f'vgg.{index}', cin, c(channels), 3)
            cin = c(channels)
        conv('vgg.31', cin, c(1024), 3)
        conv('vgg.33', c(1024), c(1024), 1)
        conv('extras.0', c(1024), c(256), 1)
        conv('extras.1', c(256), c(512), 3)
        conv('extras.2', c(512), c(128), 1)
        conv('extras.3', c(128), c(256), 3)

    levels = [c(n) for n in (256, 512, 512, 1024, 512, 256)]
    if kind in ('s3fd', 'pyramidbox'):
        vgg()
        for name, channels in zip(('L2Norm3_3', 'L2Norm4_3', 'L2Norm5_3'), levels, strict=False):
            found[f'{name}.weight'] = (channels,)
    if kind == 's3fd':
        for level, channels in enumerate(levels):
            conv(f'loc.{level}', channels, 4, 3)
            conv(f'conf.{level}', channels, 4 if level == 0 else 2, 3)
    elif kind == 'pyramidbox':
        for step, (upper, lower) in enumerate(((1024, 512), (512, 512), (512, 256))):
            conv(f'lfpn_topdown.{step}', c(upper), c(lower), 1)
            conv(f'lfpn_later.{step}', c(lower), c(lower), 1)
        for level, channels in enumerate(levels):
            name = f'cpm.{level}'
            for part, cin, cout, k in (
                ('branch1', channels, 2 * c(512), 1),
                ('branch2a', channels, c(512) // 2, 1),
                ('branch2b', c(512) // 2, c(512) // 2, 3),
                ('branch2c', c(512) // 2, 2 * c(512), 1),
            ):
                conv(f'{name}.{part}.conv1', cin, cout, k)
                norm(f'{name}.{part}.bn1', cout)
            conv(f'{name}.ssh_1', 2 * c(512), c(512) // 2, 3)
            conv(f'{name}.ssh_dimred', 2 * c(512), c(512) // 4, 3)
            for part in ('ssh_2', 'ssh_3a', 'ssh_3b'):
                conv(f'{name}.{part}', c(512) // 4, c(512) // 4, 3)
            conv(f'loc_layers.{level}', c(512), 8, 3)
            conv(f'conf_layers.{level}', c(512), 8 if level == 0 else 6, 3)
    elif kind == 'dsfd-release':
        base = c(64)
        conv('layer1.0', 3, base, 7, bias=False)
        norm('layer1.1', base)
        cin = base
        for stage, (name, blocks) in enumerate(
            zip(('layer1.4', 'layer2.0', 'layer3.0', 'layer4.0'), BLOCKS[depth], strict=True)
        ):
            mid, out = base << stage, 4 * base << stage
            for block in range(blocks):
                for i, (a, b, k) in enumerate(((cin, mid, 1), (mid, mid, 3), (mid, out, 1)), 1):
                    conv(f'{name}.{block}.conv{i}', a, b, k, bias=False)
                    norm(f'{name}.{block}.bn{i}', b)
                if block == 0:
                    conv(f'{name}.0.downsample.0', cin, out, 1, bias=False)
                    norm(f'{name}.0.downsample.1', out)
                cin = out
        levels = [4 * base, 8 * base, 16 * base, 32 * base, c(512), c(256)]
        for name, (narrow, wide) in (('layer5', (c(512), c(512))), ('layer6', (c(128), c(256)))):
            conv(f'{name}.0', cin, narrow, 1)
            norm(f'{name}.1', narrow)
            conv(f'{name}.3', narrow, wide, 3)
            norm(f'{name}.4', wide)
            cin = wide
        for i in (1, 2, 3):
            conv(f'latlayer{i}', levels[i], levels[i - 1], 1)
            conv(f'smooth{i}', levels[i - 1], levels[i - 1], 1)
        fems = ('cpm3_3', 'cpm4_3', 'cpm5_3', 'cpm7', 'cpm6_2', 'cpm7_2')
        half, quarter = c(512) // 2, c(512) // 4
        for level, (name, channels) in enumerate(zip(fems, levels, strict=True)):
            conv(f'{name}.cpm1', channels, half, 3)
            conv(f'{name}.cpm2', channels, half, 3)
            conv(f'{name}.cpm3', half, quarter, 3)
            conv(f'{name}.cpm4', half, quarter, 3)
            conv(f'{name}.cpm5', quarter, quarter, 3)
            for head, out in (
                ('loc', (4, 8, 12, 12, 12, 12)[level]),
                ('conf', (4, 6, 8, 8, 8, 8)[level]),
            ):
                conv(f'{head}.{level}.conv1', c(512), c(256), 3)
                conv(f'{head}.{level}.conv2', c(256), c(256), 3)
                conv(f'{head}.{level}.conv3', c(256), c(256), 3)
                conv(f'{head}.{level}.conv4', c(256), out, 1)
    elif kind == 'dsfd-vgg':
        vgg()
        for shot in ('of', 'ef'):
            for i in (1, 2, 3):
                found[f'L2Norm{shot}{i}.weight'] = (levels[i - 1],)
        down = [levels[5], *reversed(levels)]
        for i in range(6):
            conv(f'fpn_topdown.{i}', down[i], down[i + 1], 1)
        for i in range(5):
            conv(f'fpn_latlayer.{i}', levels[4 - i], levels[4 - i], 1)
        for level, channels in enumerate(levels):
            name, third = f'fpn_fem.{level}', channels // 3
            rest = channels - 2 * third
            conv(f'{name}.branch1', channels, third, 3)
            conv(f'{name}.branch2.0', channels, third, 3)
            conv(f'{name}.branch2.2', third, third, 3)
            conv(f'{name}.branch3.0', channels, rest, 3)
            conv(f'{name}.branch3.2', rest, rest, 3)
            conv(f'{name}.branch3.4', rest, rest, 3)
            for shot in (1, 2):
                conv(f'loc_pal{shot}.{level}', channels, 4, 3)
                conv(f'conf_pal{shot}.{level}', channels, 2, 3)
    return found


def make_file(kind, width=1.0, depth=50, seed=0):
    """A published file with random numbers of sensible size."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes(kind, width, depth).items():
        part = name.rsplit('.', 1)[1]
        if part == 'num_batches_tracked':
            tensors[name] = torch.tensor(7)
        elif len(shape) == 4:
            spread = (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
            tensors[name] = spread * torch.randn(shape, generator=generator)
        elif part in ('bias', 'running_mean'):
            tensors[name] = 0.1 * torch.randn(shape, generator=generator)
        else:  # scales and variances; small at the end of residual blocks, which add up
            tensors[name] = 0.5 + torch.rand(shape, generator=generator)
            tensors[name] *= 0.1 if name.endswith('bn3.weight') else 1
    return tensors


def forward(kind, tensors, x, fc6_dilation=3):
    """Class scores and boxes of each level, finest first; scores as (face, background) for each group. The community's
    DSFD returns those of the second shot, then those of the first."""
    conv, relu = Convolutions(tensors), torch.relu
    if kind == 'dsfd-release':
        return _release(conv, x)
    taps = []
    for index in (*VGG, 31, 33):
        if index in (5, 10, 24):
            x = F.max_pool2d(x, 2)
        if index == 17:
            x = F.max_pool2d(x, 2, ceil_mode=True)
        if index == 31:
            x = F.max_pool2d(x, 2)
            x = relu(conv('vgg.31', x, dilation=fc6_dilation))
            continue
        x = relu(conv(f'vgg.{index}', x))
        if index in (14, 21, 28, 33):
            taps.append(x)
    for pair in (0, 2):
        x = relu(conv(f'extras.{pair}', x))
        x = relu(conv(f'extras.{pair + 1}', x, stride=2))
        taps.append(x)

    def l2(names):
        for level, name in enumerate(names):
            length = (taps[level] ** 2).sum(1, keepdim=True) ** 0.5 + 1e-10
            taps[level] = taps[level] / length * tensors[f'{name}.weight'].view(1, -1, 1, 1)

    if kind == 's3fd':
        l2(('L2Norm3_3', 'L2Norm4_3', 'L2Norm5_3'))
        scores, boxes = [], []
        for level, tap in enumerate(taps):
            raw = conv(f'conf.{level}', tap)
            background = raw[:, :3].amax(1) if level == 0 else raw[:, 0]
            scores.append(torch.stack([raw[:, -1], background], 1))
            boxes.append(conv(f'loc.{level}', tap))
        return scores, boxes
    if kind == 'pyramidbox':
        for step, level in enumerate((2, 1, 0)):
            upper = relu(conv(f'lfpn_topdown.{step}', taps[level + 1]))
            lateral = conv(f'lfpn_later.{step}', taps[level])
            taps[level] = relu(resize(upper, lateral) * lateral)
        l2(('L2Norm3_3', 'L2Norm4_3', 'L2Norm5_3'))
        scores, boxes = [], []
        for level, tap in enumerate(taps):
            name = f'cpm.{level}'
            short = conv.normed(f'{name}.branch1.conv1', f'{name}.branch1.bn1', tap)
            y = tap
            for part in ('branch2a', 'branch2b', 'branch2c'):
                y = conv.normed(f'{name}.{part}.conv1', f'{name}.{part}.bn1', y)
                y = y if part == 'branch2c' else relu(y)
            y = relu(short + y)
            reduced = relu(conv(f'{name}.ssh_dimred', y))
            three = conv(f'{name}.ssh_3b', relu(conv(f'{name}.ssh_3a', reduced)))
            parts = [conv(f'{name}.ssh_1', y), conv(f'{name}.ssh_2', reduced), three]
            y = relu(torch.cat(parts, 1))
            raw = conv(f'conf_layers.{level}', y)
            if level == 0:
                pairs = [raw[:, 3], raw[:, :3].amax(1), raw[:, 7], raw[:, 4:7].amax(1)]
            else:
                pairs = [raw[:, 1:4].amax(1), raw[:, 0], raw[:, 5], raw[:, 4]]
            scores.append(torch.stack(pairs, 1))
            boxes.append(conv(f'loc_layers.{level}', y))
        return scores, boxes
    # the pyramid starts from the maps as they are; only the first shot's heads see them normalised
    plain = list(taps)
    l2(('L2Normof1', 'L2Normof2', 'L2Normof3'))
    first = list(taps)
    y = relu(conv('fpn_topdown.0', plain[5]))
    product = {5: y}
    for step, level in enumerate((4, 3, 2, 1, 0)):
        y = relu(conv(f'fpn_topdown.{step + 1}', y))
        lateral = conv(f'fpn_latlayer.{step}', plain[level])
        y = product[level] = relu(resize(y, lateral) * lateral)
    taps = []
    for level in range(6):
        name, branches = f'fpn_fem.{level}', []
        for branch in (1, 2, 3):
            y = product[level]
            for i in range(branch):
                key = f'{name}.branch1' if branch == 1 else f'{name}.branch{branch}.{2 * i}'
                y = relu(conv(key, y, dilation=3))
            branches.append(y)
        taps.append(torch.cat(branches, 1))
    l2(('L2Normef1', 'L2Normef2', 'L2Normef3'))
    scores, boxes = [], []
    for shot, maps in ((2, taps), (1, first)):
        for level, tap in enumerate(maps):
            scores.append(conv(f'conf_pal{shot}.{level}', tap).flip(1))
            boxes.append(conv(f'loc_pal{shot}.{level}', tap))
    return scores, boxes


def _release(conv, x):
    relu = torch.relu
    x = relu(conv.normed('layer1.0', 'layer1.1', x, stride=2))
    x = F.max_pool2d(x, 3, 2, 1)
    taps = []
    for stage, name in enumerate(('layer1.4', 'layer2.0', 'layer3.0', 'layer4.0')):
        block = 0
        while f'{name}.{block}.conv1.weight' in conv.tensors:
            here = f'{name}.{block}'
            stride = 2 if block == 0 and stage else 1
            y = relu(conv.normed(f'{here}.conv1', f'{here}.bn1', x))
            y = relu(conv.normed(f'{here}.conv2', f'{here}.bn2', y, stride=stride))
            y = conv.normed(f'{here}.conv3', f'{here}.bn3', y)
            if block == 0:
                x = conv.normed(f'{here}.downsample.0', f'{here}.downsample.1', x, stride=stride)
            x = relu(x + y)
            block += 1
        taps.append(x)
    for name in ('layer5', 'layer6'):
        x = relu(conv.normed(f'{name}.0', f'{name}.1', x))
        x = relu(conv.normed(f'{name}.3', f'{name}.4', x, stride=2))
        taps.append(x)
    for level in (2, 1, 0):
        lateral = conv(f'smooth{level + 1}', taps[level])
        taps[level] = resize(conv(f'latlayer{level + 1}', taps[level + 1]), lateral) * lateral
    scores, boxes = [], []
    for level, name in enumerate(('cpm3_3', 'cpm4_3', 'cpm5_3', 'cpm7', 'cpm6_2', 'cpm7_2')):
        a = relu(conv(f'{name}.cpm1', taps[level]))
        b = relu(conv(f'{name}.cpm2', taps[level], dilation=2))
        c = relu(conv(f'{name}.cpm3', b))
        e = relu(conv(f'{name}.cpm5', relu(conv(f'{name}.cpm4', b, dilation=2))))
        y = torch.cat([a, c, e], 1)
        outs = {}
        for head in ('loc', 'conf'):
            z = y
            for i in (1, 2, 3):
                z = relu(conv(f'{head}.{level}.conv{i}', z))
            outs[head] = conv(f'{head}.{level}.conv4', z)
        raw = outs['conf']
        if level == 0:
            pairs = [raw[:, 3], raw[:, :3].amax(1)]
        else:  # background first in what follows, face first in what is returned
            pairs = [raw[:, :3].amax(1), raw[:, 3]]
            pairs += [raw[:, i] for start in range(4, raw.shape[1], 2) for i in (start + 1, start)]
        scores.append(torch.stack(pairs, 1))
        boxes.append(outs['loc'])
    return scores, boxes


class Convolutions:
    """Convolutions by the names of a file; padding keeps the size at stride 1."""

    def __init__(self, tensors):
        self.tensors = tensors

    def __call__(self, name, x, stride=1, dilation=1):
        weight = self.tensors[f'{name}.weight']
        padding = dilation * (weight.shape[-1] // 2)
        bias = self.tensors.get(f'{name}.bias')
        return F.conv2d(x, weight, bias, stride, padding, dilation)

    def normed(self, name, norm, x, stride=1):
        x = self(name, x, stride)
        mean, var, weight, bias = (
            self.tensors[f'{norm}.{part}'].view(1, -1, 1, 1)
            for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return (x - mean) / (var + 1e-5) ** 0.5 * weight + bias


def resize(x, like):
    return F.interpolate(x, like.shape[-2:], mode='bilinear', align_corners=False)
