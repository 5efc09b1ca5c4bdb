"""Makes enlargers.zip and enlargers.json: small networks that enlarge or mend pictures, as their authors' code saves them, and what
PyTorch makes of a picture by each.

RRDBNet by the names of its first code, of ESRGAN's release and of BasicSR since, at x1, x2, x4 and x8, with pixel unshuffle, and with
the additional residuals of ESRGAN+; SRVGGNetCompact, MSRResNet and SRResNet. The JSON holds every so manieth value of each result,
flattened as [channels, height, width]. The picture has 8x68 pixels, its levels from 0 to 255 are those of `levels`, and it goes in as
levels / 255. Run by hand with PyTorch:

    python tests/golden/enlargers.py
"""

import io
import json
import math
import pathlib
import zipfile

import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent
HEIGHT, WIDTH, EVERY = 8, 68, 211


def levels(count):
    return [(i * i // 7 + 31 * i) % 256 for i in range(count)]


def conv(inputs, outputs, kernel=3, bias=True):
    return nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=bias)


class Dense(nn.Module):
    """ESRGAN's dense block; its convolutions lie within a Sequential in the first code."""

    def __init__(self, width, growth, within, plus):
        super().__init__()
        if plus:
            self.conv1x1 = conv(width, growth, 1, bias=False)
        for i in range(5):
            layer = conv(width + i * growth, growth if i < 4 else width)
            setattr(self, f"conv{i + 1}", nn.Sequential(layer) if within else layer)
        self.plus = plus

    def forward(self, x):
        seen = [x]
        for i in range(4):
            y = F.leaky_relu(getattr(self, f"conv{i + 1}")(torch.cat(seen, 1)), 0.2)
            if self.plus and i == 1:
                y = y + self.conv1x1(x)
            if self.plus and i == 3:
                y = y + seen[2]
            seen.append(y)
        return x + 0.2 * self.conv5(torch.cat(seen, 1))


class Block(nn.Module):
    def __init__(self, width, growth, names, within=False, plus=False):
        super().__init__()
        self.names = names
        for name in names:
            setattr(self, name, Dense(width, growth, within, plus))

    def forward(self, x):
        h = x
        for name in self.names:
            h = getattr(self, name)(h)
        return x + 0.2 * h


class Shortcut(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.sub = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.sub(x)


class First(nn.Module):
    """RRDBNet of the first code."""

    def __init__(self, times, channels=3, width=4, growth=2, blocks=1, plus=False):
        super().__init__()
        trunk = [Block(width, growth, ["RDB1", "RDB2", "RDB3"], True, plus) for _ in range(blocks)]
        up = []
        for _ in range(int(math.log2(times))):
            up += [nn.Upsample(scale_factor=2), conv(width, width), nn.LeakyReLU(0.2)]
        after = [conv(width, width), nn.LeakyReLU(0.2), conv(width, channels)]
        self.model = nn.Sequential(conv(channels, width), Shortcut(*trunk, conv(width, width)), *up, *after)

    def forward(self, x):
        return self.model(x)


class Since(nn.Module):
    """RRDBNet of BasicSR, at x2 and x1 by pixel unshuffle, and of ESRGAN's release."""

    def __init__(self, unshuffle=1, channels=3, width=4, growth=2, blocks=1, release=False):
        super().__init__()
        self.unshuffle = unshuffle
        self.called = ["RRDB_trunk", "trunk_conv", "upconv1", "upconv2", "HRconv"]
        if not release:
            self.called = ["body", "conv_body", "conv_up1", "conv_up2", "conv_hr"]
        names = [("RDB" if release else "rdb") + i for i in "123"]
        self.conv_first = conv(channels * unshuffle**2, width)
        setattr(self, self.called[0], nn.Sequential(*[Block(width, growth, names) for _ in range(blocks)]))
        for name in self.called[1:]:
            setattr(self, name, conv(width, width))
        self.conv_last = conv(width, channels)

    def forward(self, x):
        trunk, after, *up, large = [getattr(self, name) for name in self.called]
        h = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        h = h + after(trunk(h))
        for layer in up:
            h = F.leaky_relu(layer(F.interpolate(h, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(large(h), 0.2))


class Compact(nn.Module):
    """SRVGGNetCompact."""

    def __init__(self, times, count, channels=3, width=4):
        super().__init__()
        self.times = times
        layers = [conv(channels, width), nn.PReLU(width)]
        for _ in range(count):
            layers += [conv(width, width), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, conv(width, channels * times**2)])

    def forward(self, x):
        h = x
        for layer in self.body:
            h = layer(h)
        return F.pixel_shuffle(h, self.times) + F.interpolate(x, scale_factor=self.times, mode="nearest")


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = conv(width, width), conv(width, width)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


class MSRResNet(nn.Module):
    def __init__(self, times, channels=3, width=4, blocks=2, release=False):
        super().__init__()
        self.times = times
        self.side = 3 if times == 3 else 2
        self.trunk, self.large = ("recon_trunk", "HRconv") if release else ("body", "conv_hr")
        self.conv_first = conv(channels, width)
        setattr(self, self.trunk, nn.Sequential(*[Residual(width) for _ in range(blocks)]))
        self.ups = ["upconv1", "upconv2"][: 2 if times == 4 else 1]
        for name in self.ups:
            setattr(self, name, conv(width, width * self.side**2))
        setattr(self, self.large, conv(width, width))
        self.conv_last = conv(width, channels)

    def forward(self, x):
        act = lambda y: F.leaky_relu(y, 0.1)
        h = getattr(self, self.trunk)(act(self.conv_first(x)))
        for name in self.ups:
            h = act(F.pixel_shuffle(getattr(self, name)(h), self.side))
        base = F.interpolate(x, scale_factor=self.times, mode="bilinear", align_corners=False)
        return self.conv_last(act(getattr(self, self.large)(h))) + base


class FirstResidual(nn.Module):
    def __init__(self, width, acts_first=False):
        super().__init__()
        pair = lambda: [nn.ReLU(), conv(width, width)] if acts_first else [conv(width, width), nn.ReLU()]
        self.res = nn.Sequential(*(pair() + pair())[: 4 if acts_first else 3])

    def forward(self, x):
        return x + self.res(x)


class SRResNet(nn.Module):
    """Of the first code, without norms."""

    def __init__(self, times, channels=3, width=4, blocks=2, acts_first=False):
        super().__init__()
        up, side = [], 3 if times == 3 else 2
        for _ in range(1 if times == 3 else int(math.log2(times))):
            up += [conv(width, width * side**2), nn.PixelShuffle(side), nn.ReLU()]
        trunk = [FirstResidual(width, acts_first) for _ in range(blocks)]
        after = [conv(width, width), nn.ReLU(), conv(width, channels)]
        self.model = nn.Sequential(conv(channels, width), Shortcut(*trunk, conv(width, width)), *up, *after)

    def forward(self, x):
        return self.model(x)


NETWORKS = {
    "first_x1": First(1),
    "first_x2": First(2, blocks=2),
    "first_x4": First(4),
    "first_x8": First(8),
    "first_x4_grey": First(4, channels=1),
    "first_x4_wide": First(4, width=6, growth=6),
    "plus_x4": First(4, plus=True),
    "plus_x1": First(1, plus=True),
    "release_x4": Since(release=True),
    "since_x4": Since(),
    "since_x2": Since(2),
    "since_x1": Since(4),
    "since_x2_grey": Since(2, channels=1),
    "compact_x1": Compact(1, 32),
    "compact_x2": Compact(2, 16),
    "compact_x3": Compact(3, 3),
    "compact_x4": Compact(4, 2),
    "compact_x2_grey": Compact(2, 2, channels=1),
    "msrresnet_x2": MSRResNet(2),
    "msrresnet_x3": MSRResNet(3, blocks=1),
    "msrresnet_x4": MSRResNet(4),
    "msrresnet_x4_release": MSRResNet(4, release=True),
    "srresnet_x2": SRResNet(2),
    "srresnet_x3": SRResNet(3, blocks=1),
    "srresnet_x4": SRResNet(4, blocks=3),
    "srresnet_x8": SRResNet(8, blocks=1),
}
# Networks that are not known, for what is said of them; they make nothing.
REFUSED = {
    "first_four_channels": First(4, channels=4, width=6),
    "srresnet_acts_first": SRResNet(4, blocks=1, acts_first=True),
}


def filled(net, phase):
    """With few numbers that follow from their places, so that the files become small; the last convolution's are such that results
    are pictures."""
    state = net.state_dict()
    for i, (name, tensor) in enumerate(state.items()):
        values = torch.sin(0.37 * torch.arange(tensor.numel(), dtype=torch.float64) + 1.7 * i + phase)
        values = (4 * values).round() / 4
        fan_in = tensor[0].numel() if tensor.dim() == 4 else 64
        tensor.copy_((values * 2.0 ** -math.floor(math.log2(fan_in) / 2)).reshape(tensor.shape))
    if not isinstance(net, Compact):
        weight, bias = list(state.values())[-2:]
        values, x = weight.clone(), picture(len(bias))
        bias.zero_()
        with torch.no_grad():
            made = net(x)
            weight.zero_()
            base = net(x)
        change = made - base
        times = 2.0 ** round(math.log2(0.2 / change.std()))
        weight.copy_(times * values)
        bias.fill_((8 * (0.5 - base.mean() - times * change.mean())).round() / 8)
    return net.eval()


def picture(channels):
    return torch.tensor(levels(channels * HEIGHT * WIDTH)).reshape(1, channels, HEIGHT, WIDTH) / 255


def main():
    archive, values = {}, {}
    for i, (name, net) in enumerate((NETWORKS | REFUSED).items()):
        file = io.BytesIO()
        torch.save(filled(net, i).state_dict(), file)
        archive[name] = file.getvalue()
    for name, net in NETWORKS.items():
        with torch.no_grad():
            result = net(picture(1 if "grey" in name else 3))[0]
        assert ((result > 0) & (result < 1)).float().mean() > 0.7 and result.std() > 0.1, name
        values[name] = {"shape": list(result.shape), "values": [float(f"{v:.7g}") for v in result.flatten()[::EVERY].tolist()]}
    with zipfile.ZipFile(HERE / "enlargers.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in sorted(archive):
            file.writestr(zipfile.ZipInfo(f"{name}.pth"), archive[name], zipfile.ZIP_DEFLATED)
    golden = {"torch": torch.__version__, "height": HEIGHT, "width": WIDTH, "every": EVERY, "networks": values}
    (HERE / "enlargers.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
