"""Makes tests/golden/restore.json: small networks and losses of the recipe restore.

Written out in the slow way, one operation after the other: the detector is a U-Net; the restorer has residual blocks around a
partial non-local block (Wan et al. 2020, keys and values at averages over 4x4 codes); the two discriminators,
the second on averages over 2x2 pixels, judge by least squares with the paper's halves, and their features are matched as in
pix2pixHD (Wang et al. 2018). Pictures of 32 pixels, 2 channels in the first layer of everything, two blocks.

Parameters come from the formula of tests/golden/translation.py, in the order in which they are listed below. Pictures are
wave(shape, rate) with the rates 0.013 (old) and 0.017 (new), the damage is the square of (1 + wave(shape, 0.019)) / 2. All is
float64; of each parameter's gradient the norm and the product with wave(shape, 0.71) are kept.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/restore.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

torch.set_num_threads(1)


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


class Network(dict):
    def declare(self, name, shape):
        fan_in = math.prod(shape[1:])
        scale = 1.5 / math.sqrt(fan_in) if name.endswith("weight") else 0.1
        self[name] = (scale * wave(shape, 0.37 + 0.05 * len(self))).float().double().requires_grad_()

    def conv(self, name, inputs, outputs, kernel=3, bias=True):
        self.declare(f"{name}.weight", [outputs, inputs, kernel, kernel])
        if bias:
            self.declare(f"{name}.bias", [outputs])

    def seen(self, name, x, stride=1, padding=1):
        return F.conv2d(x, self[f"{name}.weight"], self.get(f"{name}.bias"), stride, padding)

    def gradients(self, loss):
        found = torch.autograd.grad(loss, list(self.values()), retain_graph=True)
        return [[g.norm().item(), (g * wave(g.shape, 0.71)).sum().item()] for g in found]


def leaky(x):
    return F.leaky_relu(x, 0.2)


def twice(x):
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


g = Network()
WIDTHS = [2, 4, 8, 8]
g.conv("detector.first", 3, 2)
for i in range(3):
    g.conv(f"detector.down.{i}", WIDTHS[i], WIDTHS[i + 1], 4)
for i in range(3):
    g.conv(f"detector.up.{i}", WIDTHS[3 - i], WIDTHS[2 - i])
for i in range(3):
    g.conv(f"detector.join.{i}", 2 * WIDTHS[2 - i], WIDTHS[2 - i])
g.conv("detector.last", 2, 1)
g.conv("first", 4, 2)
g.conv("down.0", 2, 4, 4)
g.conv("down.1", 4, 8, 4)
for i in range(4):
    g.conv(f"blocks.{i}", 8, 8)
for name, (inputs, outputs) in {"query": (8, 4), "key": (8, 4), "value": (8, 4), "out": (4, 8)}.items():
    g.conv(name, inputs, outputs, 1, bias=False)
g.conv("up.0", 8, 4)
g.conv("up.1", 4, 2)
g.conv("join.0", 8, 4)
g.conv("join.1", 4, 2)
g.conv("last", 2, 3)


def detector(x):
    across, h = [], leaky(g.seen("detector.first", x))
    for i in range(3):
        across.append(h)
        h = leaky(g.seen(f"detector.down.{i}", h, 2))
    for i in range(3):
        h = leaky(g.seen(f"detector.up.{i}", twice(h)))
        h = leaky(g.seen(f"detector.join.{i}", torch.cat([h, across.pop()], 1)))
    return g.seen("detector.last", h)


def far_look(x, damage):
    n, _, height, width = x.shape
    share = F.avg_pool2d(1 - damage, 4)
    seen = F.avg_pool2d(x * (1 - damage), 4) / (share + 1e-3)
    query, key, value = g.seen("query", x, 1, 0), g.seen("key", seen, 1, 0), g.seen("value", seen, 1, 0)
    found = torch.zeros_like(query)
    for picture in range(n):  # one code after the other
        keys, values = key[picture].flatten(1), value[picture].flatten(1)
        rows = []
        for code in query[picture].flatten(1).T:
            weights = (share[picture].flatten() + 1e-6) * torch.exp(code @ keys / 2)  # the root of 4 channels
            rows.append(values @ (weights / weights.sum()))
        found[picture] = torch.stack(rows, 1).reshape(4, height, width)
    return x + damage * g.seen("out", found, 1, 0)


def restorer(x, damage):
    across, h = [], leaky(g.seen("first", torch.cat([x, damage], 1)))
    for i in range(2):
        across.append(h)
        h = leaky(g.seen(f"down.{i}", h, 2))
    for block in range(2):
        if block == 1:
            h = far_look(h, F.avg_pool2d(damage, 4))
        h = h + g.seen(f"blocks.{2 * block + 1}", leaky(g.seen(f"blocks.{2 * block}", h)))
    for i in range(2):
        h = leaky(g.seen(f"up.{i}", twice(h)))
        h = leaky(g.seen(f"join.{i}", torch.cat([h, across.pop()], 1)))
    return x + g.seen("last", h)


d = Network()
for scale in range(2):
    d.conv(f"{scale}.0", 3, 2, 4)
    d.conv(f"{scale}.1", 2, 4, 4, bias=False)
    d.conv(f"{scale}.2", 4, 1, 4)


def features(x):
    found = []
    for scale in range(2):
        first = leaky(d.seen(f"{scale}.0", x, 2))
        h = d.seen(f"{scale}.1", first)
        mean, variance = h.mean((2, 3), keepdim=True), h.var((2, 3), unbiased=False, keepdim=True)
        second = leaky((h - mean) / (variance + 1e-5).sqrt())
        found.append([first, second, d.seen(f"{scale}.2", second)])
        x = F.avg_pool2d(x, 2)
    return found


def logits(found):
    return torch.cat([scale[-1].flatten() for scale in found])


old, new = wave([2, 3, 32, 32], 0.013), wave([2, 3, 32, 32], 0.017)
damage = ((1 + wave([2, 1, 32, 32], 0.019)) / 2) ** 2
found = detector(old)
fake = restorer(old, torch.sigmoid(found).detach())
entropy = F.binary_cross_entropy_with_logits(found, damage)
share = torch.sigmoid(found)
common = (2 * (share * damage).sum() + 1) / ((share**2).sum() + (damage**2).sum() + 1)
detection = entropy + 1 - common
of_real, of_fake = logits(features(new)), logits(features(fake.detach()))
d_loss = ((of_real - 1) ** 2).mean() / 2 + (of_fake**2).mean() / 2
g_loss = ((logits(features(fake)) - 1) ** 2).mean() / 2
matching = sum((a - b.detach()).abs().mean() for x, y in zip(features(fake), features(new)) for a, b in zip(x[:2], y)) / 2
l1 = (fake - new).abs().mean()


def stored(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().flatten().tolist()
        value = value if len(value) != 1 else value[0]
    return [stored(v) for v in value] if isinstance(value, list) else float(f"{value:.8g}")


golden = {
    "found": found[:, :, ::7, ::7],
    "fake": fake[:, :, ::7, ::7],
    "detection": detection,
    "d_loss": d_loss,
    "d_gradients": d.gradients(d_loss),
    "g_loss": g_loss,
    "matching": matching,
    "g_gradients": g.gradients(detection + 60 * l1 + g_loss + 10 * matching),
}
text = json.dumps({name: stored(value) for name, value in golden.items()})
Path(__file__).with_suffix(".json").write_text(text + "\n")
