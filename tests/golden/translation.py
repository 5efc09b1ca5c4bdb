"""Makes tests/golden/translation.json: small networks and losses of pix2pix and CycleGAN, by the papers' descriptions.

The networks are written out from Isola et al. 2017 (section 3 and appendix 6.1) and Zhu et al. 2017 (section 4 and appendix
7), in the slow way: padding, convolution, normalisation and activation one after the other. pix2pix: 64x64, 4 channels in
both networks' first layers, no dropout, 2 pairs. CycleGAN: 16x16, 4 channels, 2 residual blocks, discriminators that halve
the side once, 2 pictures of each domain. A layer before a norm has no bias; norms are those of each picture, epsilon 1e-5.
"plain" is CycleGAN with what it may have instead: generators that add to the picture a last layer's result, of which weights
and bias are used times 0.02 (the weights also by 1 / sqrt of their inputs), with doublings of pixels before 3x3 convolutions,
and each pixel's features brought to a mean square of 1 (1e-8 under the root) in place of the norms, with biases;
discriminators without norms, with biases; cycle and identity of the way from B times 0.25.

Nothing is drawn at random. The p-th parameter of a network, in the order in which it is listed below, is

    scale * wave(shape, 0.37 + 0.05 p) + offset     wave(shape, rate) = sin(rate (i + 1) + 0.3 sin(0.01 i^2))

with i the flat index, rounded to float32. A weight [a, b, k, k] has scale 1.5 / sqrt(b k k), a gamma 0.2 and offset 1, a beta
or bias 0.1. Convolutions have weights [out, in, k, k], transposed ones [in, out, k, k]. All else is float64; numbers are
stored with 8 digits. Of each parameter's gradient the norm and the product with wave(shape, 0.71) are kept.

The receptive field of a logit is measured: the side of the square of inputs that its gradient reaches.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/translation.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
N = 2


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


class Network:
    """Parameters in the order in which they are declared, with `count` before the first."""

    def __init__(self):
        self.values = {}

    def declare(self, name, shape):
        kind = name.rsplit(".", 1)[-1]
        scale = 1.5 / math.sqrt(math.prod(shape[1:])) if kind == "weight" else 0.2 if kind == "gamma" else 0.1
        value = scale * wave(shape, 0.37 + 0.05 * len(self.values)) + (1.0 if kind == "gamma" else 0.0)
        self.values[name] = value.float().double().requires_grad_()

    def conv(self, name, outputs, inputs, kernel, bias):
        self.declare(f"{name}.weight", [outputs, inputs, kernel, kernel])
        if bias:
            self.declare(f"{name}.bias", [outputs])

    def norm(self, name, channels):
        self.declare(f"{name}.gamma", [channels])
        self.declare(f"{name}.beta", [channels])

    def __getitem__(self, name):
        return self.values[name]

    def convolved(self, name, x, stride=1, padding=0):
        return F.conv2d(x, self[f"{name}.weight"], self.values.get(f"{name}.bias"), stride, padding)

    def transposed(self, name, x, stride, padding, output_padding=0):
        weight, bias = self[f"{name}.weight"], self.values.get(f"{name}.bias")
        return F.conv_transpose2d(x, weight, bias, stride, padding, output_padding)

    def normal(self, x, name=None):
        y = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
        if name is None:
            return y
        return y * self[f"{name}.gamma"].reshape(1, -1, 1, 1) + self[f"{name}.beta"].reshape(1, -1, 1, 1)

    def gradients(self, loss):
        found = torch.autograd.grad(loss, list(self.values.values()), retain_graph=True)
        return [[g.norm().item(), (g * wave(g.shape, 0.71)).sum().item()] for g in found]


# pix2pix's generator: encoder, its norms, decoder, its norms
def unet_parameters(levels, width):
    p, channels, last = Network(), lambda i: width * 2 ** min(i, 3), levels - 1
    for i in range(levels):
        p.conv(f"down.{i}", channels(i), 3 if i == 0 else channels(i - 1), 4, i in (0, last))
    for i in range(1, last):
        p.norm(f"down_norms.{i}", channels(i))
    for i in range(levels):
        inputs = channels(last) if i == 0 else 2 * channels(last - i)
        p.conv(f"up.{i}", inputs, 3 if i == last else channels(last - 1 - i), 4, False)
        if i == last:
            p.declare(f"up.{i}.bias", [3])
    for i in range(last):
        p.norm(f"up_norms.{i}", channels(last - 1 - i))
    return p


def unet(p, x, levels):
    seen, last = [], levels - 1
    h = x
    for i in range(levels):
        if i > 0:
            h = F.leaky_relu(h, 0.2)
        h = p.convolved(f"down.{i}", h, 2, 1)
        if 0 < i < last:
            h = p.normal(h, f"down_norms.{i}")
        seen.append(h)
    for i in range(levels):
        h = p.transposed(f"up.{i}", F.relu(h), 2, 1)
        if i < last:
            h = torch.cat([p.normal(h, f"up_norms.{i}"), seen[last - 1 - i]], 1)
    return torch.tanh(h)


# The discriminator of patches: layers, then norms
def patch_parameters(inputs, width, layers, affine, normalized=True):
    p, channels = Network(), lambda i: width * 2 ** min(i, 3)
    kernel, inner = (4, layers) if layers else (1, 1)
    p.conv("layers.0", width, inputs, kernel, True)
    for i in range(1, inner + 1):
        p.conv(f"layers.{i}", channels(i), channels(i - 1), kernel, not normalized)
    p.conv(f"layers.{inner + 1}", 1, channels(inner), kernel, True)
    for i in range(1, inner + 1):
        if affine:
            p.norm(f"norms.{i}", channels(i))
    return p


def patch(p, x, layers, affine, normalized=True):
    padding, inner = (1, layers) if layers else (0, 1)
    h = F.leaky_relu(p.convolved("layers.0", x, 2 if layers else 1, padding), 0.2)
    for i in range(1, inner + 1):
        h = p.convolved(f"layers.{i}", h, 2 if i < layers else 1, padding)
        if normalized:
            h = p.normal(h, f"norms.{i}" if affine else None)
        h = F.leaky_relu(h, 0.2)
    return p.convolved(f"layers.{inner + 1}", h, 1, padding)


def receptive_field(layers):
    side = 400
    p = patch_parameters(1, 1, layers, False)
    x = wave([1, 1, side, side], 0.21).requires_grad_()
    logits = patch(p, x, layers, False, normalized=False)
    middle = logits.shape[-1] // 2
    reached = torch.autograd.grad(logits[0, 0, middle, middle], x)[0][0, 0].abs().sum(0).nonzero()
    return int(reached.max() - reached.min() + 1)


# CycleGAN's generator: first, down, blocks, up, last
def resnet_parameters(width, blocks, plain=False):
    p = Network()
    p.conv("first", width, 3, 7, plain)
    for i in range(2):
        p.conv(f"down.{i}", width * 2 ** (i + 1), width * 2**i, 3, plain)
    for i in range(blocks):
        p.conv(f"blocks.{i}.first", 4 * width, 4 * width, 3, plain)
        p.conv(f"blocks.{i}.second", 4 * width, 4 * width, 3, plain)
    for i in range(2):
        ends = [width * 2 ** (2 - i), width * 2 ** (1 - i)]
        p.conv(f"up.{i}", *(reversed(ends) if plain else ends), 3, plain)
    p.conv("last", 3, width, 7, True)
    return p


def resnet(p, x, blocks, plain=False):
    mirrored = lambda x, width: F.pad(x, [width] * 4, mode="reflect")
    normal = (lambda x: x / ((x**2).mean(1, keepdim=True) + 1e-8).sqrt()) if plain else p.normal
    h = F.relu(normal(p.convolved("first", mirrored(x, 3))))
    for i in range(2):
        h = F.relu(normal(p.convolved(f"down.{i}", h, 2, 1)))
    for i in range(blocks):
        inner = F.relu(normal(p.convolved(f"blocks.{i}.first", mirrored(h, 1))))
        h = h + normal(p.convolved(f"blocks.{i}.second", mirrored(inner, 1)))
    for i in range(2):
        if plain:
            h = p.convolved(f"up.{i}", h.repeat_interleave(2, 2).repeat_interleave(2, 3), 1, 1)
        else:
            h = p.transposed(f"up.{i}", h, 2, 1, 1)
        h = F.relu(normal(h))
    if not plain:
        return torch.tanh(p.convolved("last", mirrored(h, 3)))
    weight, bias = p["last.weight"], p["last.bias"]
    return x + F.conv2d(mirrored(h, 3), weight * (0.02 / math.sqrt(weight[0].numel())), bias * 0.02)


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def squares(logits, label):
    return ((logits - label) ** 2).mean()


def pix2pix():
    x, y = wave([N, 3, 64, 64], 0.013), wave([N, 3, 64, 64], 0.017)
    g, d = unet_parameters(6, 4), patch_parameters(6, 4, 3, True)
    seen = lambda y: torch.cat([x, y], 1)
    fake = unet(g, x, 6)
    real_logits, fake_logits = patch(d, seen(y), 3, True), patch(d, seen(fake.detach()), 3, True)
    d_loss = (bce(real_logits, 1.0) + bce(fake_logits, 0.0)) * 0.5
    l1 = (y - fake).abs().mean()
    g_loss = bce(patch(d, seen(fake), 3, True), 1.0)
    return {
        "fake": fake[:, :, ::7, ::7].flatten().tolist(),
        "logits": real_logits.flatten().tolist(),
        "d_loss": d_loss.item(),
        "g_loss": g_loss.item(),
        "l1": l1.item(),
        "d_gradients": d.gradients(d_loss),
        "g_gradients": g.gradients(g_loss + 100 * l1),
        "receptive_fields": [receptive_field(layers) for layers in range(6)],
        "unet_256_parameters": sum(v.numel() for v in unet_parameters(8, 64).values.values()),
        "patch_70_parameters": sum(v.numel() for v in patch_parameters(6, 64, 3, True).values.values()),
    }


def cyclegan(plain=False):
    a, b = wave([N, 3, 16, 16], 0.013), wave([N, 3, 16, 16], 0.017)
    # One network after the other: those of the second continue the count of the first.
    both = Network()
    for way in ["to_b", "to_a"]:
        for name, value in resnet_parameters(4, 2, plain).values.items():
            both.declare(f"{way}.{name}", list(value.shape))
    net = lambda way: view(both, way)
    d_a, d_b = (patch_parameters(3, 4, 1, False, not plain) for _ in range(2))
    judged = lambda d, x: patch(d, x, 1, False, not plain)
    g, f = (lambda x: resnet(net("to_b"), x, 2, plain)), (lambda x: resnet(net("to_a"), x, 2, plain))
    fake_b, fake_a = g(a), f(b)
    adversarial = squares(judged(d_b, fake_b), 1.0) + squares(judged(d_a, fake_a), 1.0)
    cycles = [(f(fake_b) - a).abs().mean(), (g(fake_a) - b).abs().mean()]
    identities = [(g(b) - b).abs().mean(), (f(a) - a).abs().mean()]
    back = 0.25 if plain else 1.0
    total = adversarial + 10 * (cycles[0] + back * cycles[1]) + 5 * (identities[0] + back * identities[1])
    d_losses = [
        (squares(judged(d, real), 1.0) + squares(judged(d, fake.detach()), 0.0)) * 0.5
        for d, real, fake in [(d_a, a, fake_a), (d_b, b, fake_b)]
    ]
    return {
        "fake_b": fake_b.flatten().tolist(),
        "adversarial": adversarial.item(),
        "cycle": sum(cycles).item(),
        "identity": sum(identities).item(),
        "g_gradients": both.gradients(total),
        "d_losses": [loss.item() for loss in d_losses],
        "d_gradients": [d.gradients(loss) for d, loss in zip([d_a, d_b], d_losses)],
        "resnet_9_parameters": sum(v.numel() for v in resnet_parameters(64, 9).values.values()),
        "resnet_6_parameters": sum(v.numel() for v in resnet_parameters(64, 6).values.values()),
    }


def view(both, way):
    part = Network()
    part.values = {name.removeprefix(f"{way}."): v for name, v in both.values.items() if name.startswith(f"{way}.")}
    return part


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {key: rounded(v) for key, v in value.items()} if isinstance(value, dict) else value


if __name__ == "__main__":
    out = Path(__file__).with_name("translation.json")
    out.write_text(json.dumps(rounded({"pix2pix": pix2pix(), "cyclegan": cyclegan(), "plain": cyclegan(plain=True)})) + "\n")
