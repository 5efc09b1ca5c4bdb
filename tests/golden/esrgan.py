"""Makes tests/golden/esrgan.json: small networks and losses of ESRGAN, by the paper's description.

Written out from Wang et al. 2018 (figures 3 and 4, equations 1 to 3 with the relativistic average of both terms by half) in
the slow way: padding, joining, convolution and activation one after the other. The generator: 4 channels, growth 2, one
block; the discriminator: pictures of 16 pixels, 2 channels in its first layer, norms over the batch with epsilon 1e-5; 3
pictures of 4x4 and of 16x16 pixels. The perceptual distance is left out, as tests/golden/perceptual.py has it.

Parameters come from the formula of tests/golden/translation.py, in the order in which they are listed below; a linear weight
is [inputs, outputs] with scale 1.5 / sqrt(inputs). Pictures are (1 + wave(shape, rate)) / 2 with the rates 0.013 (small) and
0.017 (large). All is float64; of each parameter's gradient the norm and the product with wave(shape, 0.71) are kept.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/esrgan.py
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
        kind = name.rsplit(".", 1)[-1]
        fan_in = shape[0] if len(shape) == 2 else math.prod(shape[1:])
        scale = 1.5 / math.sqrt(fan_in) if kind == "weight" else 0.2 if kind == "gamma" else 0.1
        value = scale * wave(shape, 0.37 + 0.05 * len(self)) + (1.0 if kind == "gamma" else 0.0)
        self[name] = value.float().double().requires_grad_()

    def conv(self, name, outputs, inputs, kernel=3, bias=True):
        self.declare(f"{name}.weight", [outputs, inputs, kernel, kernel])
        if bias:
            self.declare(f"{name}.bias", [outputs])

    def convolved(self, name, x, stride=1):
        return F.conv2d(x, self[f"{name}.weight"], self.get(f"{name}.bias"), stride, 1)

    def gradients(self, loss):
        found = torch.autograd.grad(loss, list(self.values()), retain_graph=True)
        return [[g.norm().item(), (g * wave(g.shape, 0.71)).sum().item()] for g in found]


def leaky(x):
    return F.leaky_relu(x, 0.2)


g = Network()
g.conv("first", 4, 3)
for i in range(15):
    g.conv(f"dense.{i}", 2 if i % 5 < 4 else 4, 4 + i % 5 * 2)
g.conv("body", 4, 4)
for i in range(3):
    g.conv(f"up.{i}", 4, 4)
g.conv("last", 3, 4)


def generator(x):
    first = g.convolved("first", x)
    h = first
    for dense in range(3):
        seen = h
        for i in range(5):
            y = g.convolved(f"dense.{5 * dense + i}", seen)
            if i < 4:
                seen = torch.cat([seen, leaky(y)], 1)
        h = h + 0.2 * y
    h = first + 0.2 * h
    h = first + g.convolved("body", h)
    for i in range(3):
        if i < 2:
            h = h.repeat_interleave(2, 2).repeat_interleave(2, 3)
        h = leaky(g.convolved(f"up.{i}", h))
    return g.convolved("last", h)


d = Network()
PLAN = [(3, 2, 1), (2, 2, 2), (2, 4, 1), (4, 4, 2)]  # inputs, outputs, stride
for i, (inputs, outputs, stride) in enumerate(PLAN):
    d.conv(f"layers.{i}", outputs, inputs, 3 if stride == 1 else 4, i == 0)
for i, (_, outputs, _) in enumerate(PLAN[1:]):
    d.declare(f"norms.{i}.gamma", [outputs])
    d.declare(f"norms.{i}.beta", [outputs])
d.declare("hidden.weight", [4 * 4 * 4, 100])
d.declare("hidden.bias", [100])
d.declare("last.weight", [100, 1])
d.declare("last.bias", [1])


def discriminator(x):
    for i, (_, outputs, stride) in enumerate(PLAN):
        x = d.convolved(f"layers.{i}", x, stride)
        if i > 0:
            mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
            x = (x - mean) / (variance + 1e-5).sqrt()
            x = x * d[f"norms.{i - 1}.gamma"].reshape(1, -1, 1, 1) + d[f"norms.{i - 1}.beta"].reshape(1, -1, 1, 1)
        x = leaky(x)
    return leaky(x.flatten(1) @ d["hidden.weight"] + d["hidden.bias"]) @ d["last.weight"] + d["last.bias"]


def relativistic_average(winner, loser):
    return (F.softplus(loser.mean() - winner).mean() + F.softplus(loser - winner.mean()).mean()) / 2


small, large = (1 + wave([3, 3, 4, 4], 0.013)) / 2, (1 + wave([3, 3, 16, 16], 0.017)) / 2
fake = generator(small)
of_real, of_fake = discriminator(large), discriminator(fake.detach())
d_loss = relativistic_average(of_real, of_fake)
g_loss = relativistic_average(discriminator(fake), discriminator(large))
pixel = (fake - large).abs().mean()

# R1 by gamma 1.5 (Mescheder et al. 2018, equation 9), by PyTorch's double backward.
seen = large.clone().requires_grad_()
(by_real,) = torch.autograd.grad(discriminator(seen).sum(), seen, create_graph=True)
r1 = 0.75 * by_real.square().sum((1, 2, 3)).mean()


def stored(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().flatten().tolist()
        value = value if len(value) != 1 else value[0]
    return [stored(v) for v in value] if isinstance(value, list) else float(f"{value:.8g}")


golden = {
    "fake": fake[:, :, ::5, ::5],
    "logits": of_real,
    "d_loss": d_loss,
    "d_gradients": d.gradients(d_loss),
    "r1": r1,
    "r1_gradients": d.gradients(d_loss + r1),
    "g_loss": g_loss,
    "pixel": pixel,
    "g_gradients": g.gradients(0.01 * pixel + 5e-3 * g_loss),
}
text = json.dumps({name: stored(value) for name, value in golden.items()})
Path(__file__).with_suffix(".json").write_text(text + "\n")
