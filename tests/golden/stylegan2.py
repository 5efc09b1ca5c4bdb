"""Makes tests/golden/stylegan2.json: a small StyleGAN2 generator and discriminator, by the formulas of the papers.

The networks are written out from Karras et al. 2020 ("Analyzing and Improving the Image Quality of StyleGAN", section 2.2
and figure 7; appendix B for the details of training), in the slow way: a weight of its own for every sample, filters as
zero insertion, padding and `conv2d`. Pictures are 8x8, z and w have 6 entries, layers 12 and 6 channels.

Nothing is drawn at random. The p-th parameter, in the order listed below, is

    scale * wave(shape, 0.37 + 0.05 p) + offset     wave(shape, rate) = sin(rate (i + 1) + 0.3 sin(0.01 i^2))

with i the flat index, rounded to float32. All else is float64; numbers are stored with 8 digits. Of each parameter's
gradient the norm and the product with wave(shape, 0.71) are kept.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/stylegan2.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

N, Z, SIDE, WIDTHS = 4, 6, 8, {4: 12, 8: 6}
RATE = 0.01


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


class Parameters:
    """Named parameters in the order in which they are asked for."""

    def __init__(self):
        self.values = {}

    def __call__(self, name, shape, scale=1.0, offset=0.0):
        if name not in self.values:
            value = scale * wave(shape, 0.37 + 0.05 * len(self.values)) + offset
            self.values[name] = value.float().double().requires_grad_()
        return self.values[name]


def linear(p, name, x, outputs, bias=0.0, rate=1.0):
    inputs = x.shape[1]
    weight = p(f"{name}.weight", [inputs, outputs], scale=1.0 / rate)
    b = p(f"{name}.bias", [outputs], scale=0.1, offset=bias / rate)
    return x @ weight * (rate / math.sqrt(inputs)) + b * rate


def leaky(x):
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def fir(x, up, down, before, after, gain):
    """Zero insertion, padding, the outer product of [1, 3, 3, 1] / 8, every down-th pixel."""
    n, c, h, w = x.shape
    inserted = torch.zeros(n, c, h * up, w * up, dtype=x.dtype)
    inserted[:, :, ::up, ::up] = x
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 8
    kernel = (taps[:, None] * taps[None, :] * gain).expand(c, 1, 4, 4)
    padded = F.pad(inserted, [before, after, before, after])
    return F.conv2d(padded, kernel, groups=c)[:, :, ::down, ::down]


def modulated(x, weight, style, demodulate, up):
    n, inputs, h, w = x.shape
    outputs, _, k, _ = weight.shape
    each = weight[None] * style[:, None, :, None, None]  # equation 1
    if demodulate:
        each = each / torch.sqrt(each.square().sum([2, 3, 4], keepdim=True) + 1e-8)  # equation 3
    x = x.reshape(1, n * inputs, h, w)
    if up:
        each = each.transpose(1, 2).reshape(n * inputs, outputs, k, k)
        y = F.conv_transpose2d(x, each, stride=2, groups=n).reshape(n, outputs, 2 * h + 1, 2 * w + 1)
        return fir(y, 1, 1, 1, 1, 4)
    y = F.conv2d(x, each.reshape(n * outputs, inputs, k, k), padding=k // 2, groups=n)
    return y.reshape(n, outputs, h, w)


def mapping(p, z):
    h = z / torch.sqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for i in range(2):
        h = leaky(linear(p, f"mapping.{i}", h, Z, rate=RATE))
    p("mapping.average", [Z])
    return h


def synthesis(p, w, noise):
    """w is a list of [n, Z], one for each 3x3 layer and one for the last picture."""
    x = p("constant", [WIDTHS[4], 4, 4]).expand(N, -1, -1, -1)
    number, picture = 0, None
    for side in [4, 8]:
        for layer in range(1 if side == 4 else 2):
            up, name, outputs = side > 4 and layer == 0, f"{side}.{layer}", WIDTHS[side]
            inputs = x.shape[1]
            style = linear(p, f"{name}.affine", w[number], inputs, bias=1.0)
            weight = p(f"{name}.weight", [outputs, inputs, 3, 3])
            strength = p(f"{name}.strength", [1], scale=0.5)
            bias = p(f"{name}.bias", [outputs], scale=0.3)
            x = modulated(x, weight, style, True, up) + noise(number, side) * strength
            x = leaky(x + bias[None, :, None, None])
            number += 1
        inputs = x.shape[1]
        style = linear(p, f"{side}.picture.affine", w[number], inputs, bias=1.0) / math.sqrt(inputs)
        weight = p(f"{side}.picture.weight", [3, inputs, 1, 1])
        part = modulated(x, weight, style, False, False) + p(f"{side}.picture.bias", [3], scale=0.3)[None, :, None, None]
        picture = part if picture is None else fir(picture, 2, 1, 2, 1, 4) + part
    return picture


def conv(p, name, x, outputs, k, stride=1, bias=True):
    inputs = x.shape[1]
    weight = p(f"{name}.weight", [outputs, inputs, k, k]) / math.sqrt(inputs * k * k)
    b = p(f"{name}.bias", [outputs], scale=0.3) if bias else None
    return F.conv2d(x, weight, b, stride=stride, padding=0 if stride == 2 else k // 2)


def discriminator(p, x, group):
    h = leaky(conv(p, "picture", x, WIDTHS[8], 1))
    first = leaky(conv(p, "first", h, WIDTHS[8], 3))
    second = leaky(conv(p, "second", fir(first, 1, 1, 2, 2, 1), WIDTHS[4], 3, stride=2))
    skip = conv(p, "skip", fir(h, 1, 2, 1, 1, 1), WIDTHS[4], 1, bias=False)
    h = (second + skip) * math.sqrt(0.5)
    n, c, s, _ = h.shape
    y = h.reshape(group, n // group, c, s, s)
    deviation = torch.sqrt((y - y.mean(0)).square().mean(0) + 1e-8).mean([1, 2, 3])  # [n / group]
    channel = deviation.repeat(group)[:, None, None, None].expand(n, 1, s, s)
    h = leaky(conv(p, "last", torch.cat([h, channel], 1), c, 3))
    h = leaky(linear(p, "hidden", h.flatten(1), c))
    return linear(p, "logit", h, 1)


def stored(tensor):
    return [float(f"{value:.8g}") for value in tensor.detach().flatten().tolist()]


def told(value, parameters, retain=True):
    gradients = torch.autograd.grad(value, parameters, retain_graph=retain, allow_unused=True)
    pairs = [(g.norm(), (g * wave(g.shape, 0.71)).sum()) if g is not None else (0.0, 0.0) for g in gradients]
    return [stored(torch.tensor(pair, dtype=torch.float64)) for pair in pairs]


def generator_case():
    p = Parameters()
    noise = lambda number, side: wave([N, 1, side, side], 0.9 + 0.1 * number)
    first, second = mapping(p, wave([N, Z], 0.61)), mapping(p, wave([N, Z], 0.83))
    w = [first, first, second, second]
    pictures = synthesis(p, w, noise)
    parameters = list(p.values.values())
    direction = wave(pictures.shape, 0.17) / math.sqrt(SIDE * SIDE)
    by_w = torch.autograd.grad((pictures * direction).sum(), w[0:1] + w[2:3], create_graph=True)
    # By each layer's w: as independent leaves.
    leaves = [value.detach().requires_grad_() for value in w]
    by_layer = torch.autograd.grad((synthesis(p, leaves, noise) * direction).sum(), leaves, create_graph=True)
    joined = torch.stack(by_layer, 1)  # [n, layers, Z]
    # The path length's own gradient, with w as a function of the mapping network's weights.
    again = [value * 1.0 for value in w]
    by_again = torch.autograd.grad((synthesis(p, again, noise) * direction).sum(), again, create_graph=True)
    lengths = torch.stack(by_again, 1).square().sum(2).mean(1).sqrt()
    penalty = (lengths - 0.01 * lengths.mean()).square().mean()  # the running mean's first step from 0, with decay 0.01
    return {
        "shapes": [list(value.shape) for value in parameters],
        "pictures": stored(pictures),
        "gradients": told((pictures * wave(pictures.shape, 0.71)).sum(), parameters),
        "by_w": stored(joined),
        "path_length": stored(penalty)[0],
        "path_length_gradients": told(penalty, parameters),
        "check": stored(by_w[0] - by_layer[0] - by_layer[1])[:1],
    }


def discriminator_case():
    p = Parameters()
    x = wave([N, 3, SIDE, SIDE], 0.13).requires_grad_()
    logits = discriminator(p, x, 2)
    parameters = list(p.values.values())
    gradient = torch.autograd.grad(logits.sum(), x, create_graph=True)[0]
    r1 = 5 * gradient.square().sum([1, 2, 3]).mean()
    return {
        "shapes": [list(value.shape) for value in parameters],
        "logits": stored(logits),
        "gradients": told(F.softplus(-logits).mean(), parameters),
        "by_x": stored(gradient),
        "r1": stored(r1)[0],
        "r1_gradients": told(r1, parameters),
    }


if __name__ == "__main__":
    golden = {"generator": generator_case(), "discriminator": discriminator_case()}
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
