"""Makes tests/golden/biggan.json: a small BigGAN, its losses and regularisation, by the formulas of the papers, in f64.

Brock et al. 2019 ("Large Scale GAN Training for High Fidelity Natural Image Synthesis", appendix B), Miyato et al. 2018 (spectral
normalisation, algorithm 1), Zhang et al. 2019 (self-attention), Miyato and Koyama 2018 (projection). Pictures are 28x28 grey, 7x7
doubled twice; z has 6 entries, in three parts; 3 classes; attention at 14x14.

Nothing is drawn at random. The p-th parameter, in the order listed below (that of the library's networks, u's of the spectral
norms too), is

    scale * wave(shape, 0.37 + 0.05 p) + offset     wave(shape, rate) = sin(rate (i + 1) + 0.3 sin(0.01 i^2))

with i the flat index, rounded to float32. Of each parameter's gradient the norm and the product with wave(shape, 0.71) are kept.

Spectral norm is held to torch.nn.utils.spectral_norm, too, by an assertion.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/biggan.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

N, CLASSES, SHARED, LATENT, WIDTH = 3, 3, 4, 6, 4
LABELS = [2, 0, 1]
G_BLOCKS = [(4 * WIDTH, 4 * WIDTH)] * 2
D_BLOCKS = [(1, 16, True), (16, 16, True), (16, 16, False), (16, 16, False)]


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


class Parameters:
    """Named parameters in the order in which they are made, the u's of spectral norms (no gradient), and running statistics."""

    def __init__(self):
        self.values, self.running = {}, {}

    def make(self, name, shape, scale, offset=0.0):
        value = (scale * wave(shape, 0.37 + 0.05 * len(self.values)) + offset).float().double()
        self.values[name] = value if name.endswith(".u") else value.requires_grad_()

    def spectral(self, name, shape, bias):
        self.make(f"{name}.weight", shape, 1.0)
        if bias:
            self.make(f"{name}.bias", [shape[0]], 0.1)
        self.make(f"{name}.u", [shape[0]], 1.0)

    def __getitem__(self, name):
        return self.values[name]


def unit(v):
    return v / (v.norm() + 1e-12)


def weight(p, name, training):
    """Algorithm 1: one iteration; u and v are constants to the gradient."""
    w = p[f"{name}.weight"]
    m = w.flatten(1)
    with torch.no_grad():
        v = unit(p[f"{name}.u"] @ m)
        u = unit(m @ v)
        if training:
            p.values[f"{name}.u"] = u
    return w / (u @ m @ v)


def bias(p, name):
    return p.values.get(f"{name}.bias")


def conv(p, name, x, training):
    w = weight(p, name, training)
    return F.conv2d(x, w, bias(p, name), padding=w.shape[2] // 2)


def linear(p, name, x, training):
    return F.linear(x, weight(p, name, training), bias(p, name))


def batch_norm(p, name, x, gamma, beta, training):
    """gamma and beta [c] or [n, c]."""
    mean, variance = p.running.get(name, (torch.zeros(x.shape[1]).double(), torch.ones(x.shape[1]).double()))
    if training:
        own, biased = x.mean([0, 2, 3]), x.var([0, 2, 3], unbiased=False)
        unbiased = x.var([0, 2, 3], unbiased=True)
        p.running[name] = (0.9 * mean + 0.1 * own.detach(), 0.9 * variance + 0.1 * unbiased.detach())
        mean, variance = own, biased
    x = (x - mean[:, None, None]) / torch.sqrt(variance + 1e-5)[:, None, None]
    spread = lambda t: t[..., None, None] if t.dim() == 2 else t[:, None, None]
    return x * spread(gamma) + spread(beta)


def conditional(p, name, x, y, training):
    gamma = 1 + linear(p, f"{name}.gain", y, training)
    return F.relu(batch_norm(p, name, x, gamma, linear(p, f"{name}.shift", y, training), training))


def double(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def attention(p, x, training):
    n, c, h, w = x.shape
    query = conv(p, "attention.query", x, training).flatten(2)
    key = F.max_pool2d(conv(p, "attention.key", x, training), 2).flatten(2)
    value = F.max_pool2d(conv(p, "attention.value", x, training), 2).flatten(2)
    beta = torch.softmax(torch.bmm(query.transpose(1, 2), key), -1)
    o = torch.bmm(value, beta.transpose(1, 2)).reshape(n, -1, h, w)
    return x + p["attention.gamma"] * conv(p, "attention.output", o, training)


def make_attention(p, channels):
    p.spectral("attention.query", [channels // 8, channels, 1, 1], False)
    p.spectral("attention.key", [channels // 8, channels, 1, 1], False)
    p.spectral("attention.value", [channels // 2, channels, 1, 1], False)
    p.spectral("attention.output", [channels, channels // 2, 1, 1], False)
    p.make("attention.gamma", [1], 0.5, 0.3)


def make_generator():
    p, part = Parameters(), LATENT // 3
    p.make("embedding", [CLASSES, SHARED], 1.0)
    p.spectral("first", [7 * 7 * G_BLOCKS[0][0], part], True)
    for i, (inputs, outputs) in enumerate(G_BLOCKS):
        for j, channels in enumerate([inputs, outputs]):
            p.spectral(f"blocks.{i}.norms.{j}.gain", [channels, SHARED + part], False)
            p.spectral(f"blocks.{i}.norms.{j}.shift", [channels, SHARED + part], False)
        p.spectral(f"blocks.{i}.convs.0", [outputs, inputs, 3, 3], True)
        p.spectral(f"blocks.{i}.convs.1", [outputs, outputs, 3, 3], True)
        p.spectral(f"blocks.{i}.skip", [outputs, inputs, 1, 1], True)
    make_attention(p, 16)
    p.make("last_norm.gamma", [16], 0.2, 1.0)
    p.make("last_norm.beta", [16], 0.1)
    p.spectral("last", [1, 16, 3, 3], True)
    return p


def generator(p, z, classes, training):
    z = z.chunk(3, 1)
    shared = classes @ p["embedding"]
    h = linear(p, "first", z[0], training).reshape(len(classes), -1, 7, 7)
    for i in range(2):
        y = torch.cat([shared, z[i + 1]], 1)
        x = conv(p, f"blocks.{i}.convs.0", double(conditional(p, f"blocks.{i}.norms.0", h, y, training)), training)
        x = conv(p, f"blocks.{i}.convs.1", conditional(p, f"blocks.{i}.norms.1", x, y, training), training)
        h = x + conv(p, f"blocks.{i}.skip", double(h), training)
        if i == 0:
            h = attention(p, h, training)
    h = F.relu(batch_norm(p, "last_norm", h, p["last_norm.gamma"], p["last_norm.beta"], training))
    return torch.tanh(conv(p, "last", h, training))


def make_discriminator():
    p = Parameters()
    for i, (inputs, outputs, halves) in enumerate(D_BLOCKS):
        p.spectral(f"blocks.{i}.convs.0", [outputs, inputs, 3, 3], True)
        p.spectral(f"blocks.{i}.convs.1", [outputs, outputs, 3, 3], True)
        if inputs != outputs or halves:
            p.spectral(f"blocks.{i}.skip", [outputs, inputs, 1, 1], True)
    make_attention(p, 16)
    p.spectral("logit", [1, 16], True)
    p.spectral("projection", [16, CLASSES], False)
    return p


def discriminator(p, x, classes, training):
    h = x
    for i, (inputs, outputs, halves) in enumerate(D_BLOCKS):
        y = conv(p, f"blocks.{i}.convs.0", h if i == 0 else F.relu(h), training)
        y = conv(p, f"blocks.{i}.convs.1", F.relu(y), training)
        x = conv(p, f"blocks.{i}.skip", h, training) if inputs != outputs or halves else h
        h = F.avg_pool2d(y, 2) + F.avg_pool2d(x, 2) if halves else y + x
        if i == 0:
            h = attention(p, h, training)
    h = F.relu(h).sum([2, 3])
    projected = (linear(p, "projection", classes, training) * h).sum(1, keepdim=True)
    return linear(p, "logit", h, training) + projected


def told(p, loss):
    values = [v for v in p.values.values() if v.requires_grad]
    gradients = dict(zip(map(id, values), torch.autograd.grad(loss, values, allow_unused=True)))

    def one(v):
        gradient = gradients.get(id(v))
        if gradient is None:
            return [0.0, 0.0]
        return [gradient.norm().item(), (gradient * wave(gradient.shape, 0.71)).sum().item()]

    return [one(v) for v in p.values.values()]


def listed(tensor, most=160):
    return tensor.detach().flatten()[:most].tolist()


def not_orthogonal(p):
    total = 0
    for name, w in p.values.items():
        if w.requires_grad and w.dim() > 1 and name != "embedding":
            m = w.flatten(1)
            total = total + 0.5 * ((m @ m.T) * (1 - torch.eye(len(m)).double())).square().sum()
    return total


def spectral_as_torch():
    """Three training passes of a convolution, by torch's own spectral norm and by ours."""
    p = Parameters()
    p.spectral("c", [5, 3, 3, 3], True)
    layer = torch.nn.utils.spectral_norm(torch.nn.Conv2d(3, 5, 3, padding=1).double(), n_power_iterations=1)
    with torch.no_grad():
        layer.weight_orig.copy_(p["c.weight"])
        layer.bias.copy_(p["c.bias"])
        layer.weight_u.copy_(p["c.u"])
    x = wave([2, 3, 6, 6], 0.13)
    for _ in range(3):
        ours, theirs = conv(p, "c", x, True), layer(x)
    assert torch.allclose(ours, theirs, rtol=1e-12), (ours - theirs).abs().max()
    loss = (ours * wave(ours.shape, 0.71)).sum()
    by_torch = torch.autograd.grad((theirs * wave(theirs.shape, 0.71)).sum(), layer.weight_orig)[0]
    assert torch.allclose(torch.autograd.grad(loss, p["c.weight"], retain_graph=True)[0], by_torch, rtol=1e-10)
    return {"result": listed(ours), "u": listed(p["c.u"]), "gradients": told(p, loss)}


def main():
    classes = F.one_hot(torch.tensor(LABELS), CLASSES).double()
    out = {"spectral": spectral_as_torch()}

    g = make_generator()
    for i in range(3):
        pictures = generator(g, wave([N, LATENT], 0.61 + 0.1 * i), classes, True)
    loss = (pictures * wave(pictures.shape, 0.71)).sum()
    out["generator"] = {
        "pictures": listed(pictures[:, :, ::7, ::7]),
        "gradients": told(g, loss),
        "u": listed(g["blocks.1.convs.0.u"]),
        "used": listed(generator(g, wave([N, LATENT], 0.61), classes, False)[:, :, ::7, ::7]),
    }
    fresh = make_generator()
    alike = not_orthogonal(fresh)
    out["orthogonal"] = {"value": alike.item(), "gradients": told(fresh, alike)}

    d = make_discriminator()
    x = lambda i: wave([2 * N, 1, 28, 28], 0.13 + 0.1 * i)
    both = torch.cat([classes, classes.flip(0)])
    for i in range(3):
        logits = discriminator(d, x(i), both, True)
    hinge = F.relu(1 - logits[:N]).mean() + F.relu(1 + logits[N:]).mean()
    out["discriminator"] = {
        "logits": listed(logits),
        "hinge": hinge.item(),
        "gradients": told(d, hinge),
        "used": listed(discriminator(d, x(0), both, False)),
    }

    rounded = json.loads(json.dumps(out), parse_float=lambda text: float(f"{float(text):.8g}"))
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(rounded, separators=(",", ":")) + "\n")
    print(path.stat().st_size, "bytes", "hinge", hinge.item())


main()
