"""Makes tests/golden/biggan.json: a small BigGAN, its losses and regularisation, by the formulas of the papers, in f64.

Brock et al. 2019 ("Large Scale GAN Training for High Fidelity Natural Image Synthesis", appendix B), Miyato et al. 2018 (spectral
normalisation, algorithm 1), Zhang et al. 2019 (self-attention), Miyato and Koyama 2018 (projection). Pictures are 28x28 grey, 7x7
doubled twice; z has 6 entries, in three parts; 3 classes; attention at 14x14.

Nothing is drawn at random. The p-th parameter, in the order listed below (that of the library's networks, u's of the spectral
norms too), is

    scale * wave(shape, 0.37 + 0.05 p) + offset     wave(shape, rate) = sin(rate (i + 1) + 0.3 sin(0.01 i^2))

with i the flat index, rounded to float32. Of each parameter's gradient the norm and the product with wave(shape, 0.71) are kept.

Spectral norm is held to torch.nn.utils.spectral_norm, too, by an assertion.

Then come three whole steps, numbers 1 to 3, in which G moves in the steps 1 and 3 (two updates of D to one of G): torch.optim.Adam,
the hinge loss, orthogonal regularisation of 1e-4, and an average of G's weights that keeps 0.5^(3/10). Statistics and u's follow the
passes of a player's own update alone. z is drawn by draws.py's streams, which a ziggurat makes normal (Marsaglia and Tsang 2000, with
the 256 layers of the crate rand_distr). At the end the average's statistics are taken anew, as means over 16 batches of random
classes (the authors' "standing statistics"). Of each tensor's change the norm and the product with wave(shape, 0.71) are kept.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/biggan.py
"""

import json
import math
from pathlib import Path

import torch
from draws import below, stream
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


# Three steps.

SEED, RATES, ORTHOGONAL, DECAY, STANDING = 7, (5e-5, 2e-4), 1e-4, 0.5 ** (3 / 10), 16


def layers():
    """Where the ziggurat's layers end, of equal area under exp(-x^2/2), from the outermost on."""
    density, r = lambda x: math.exp(-x * x / 2), 3.654152885361008796
    area = r * density(r) + math.sqrt(math.pi / 2) * math.erfc(r / math.sqrt(2))
    ends = [area / density(r), r]
    while len(ends) < 256:
        ends.append(math.sqrt(-2 * math.log(area / ends[-1] + density(ends[-1]))))
    return [*ends, 0.0], [density(x) for x in [*ends, 0.0]]


def normal(draws, tables=layers()):
    ends, densities = tables
    share = lambda: (next(draws) >> 11) / 2**53
    while True:
        bits = next(draws)
        layer, u = bits & 0xFF, (bits >> 12) / 2**51 - 1
        x = u * ends[layer]
        if abs(x) < ends[layer + 1]:
            return x
        if layer == 0:
            raise NotImplementedError("the tail beyond 3.65 is not met here")
        if densities[layer + 1] + (densities[layer] - densities[layer + 1]) * share() < math.exp(-x * x / 2):
            return x


def drawn(name, step, what):
    """z and random classes of a player's batch in a step."""
    z = stream(SEED, step, f"{name}.{what}")
    z = torch.tensor([normal(z) for _ in range(N * LATENT)]).float().double().reshape(N, LATENT)
    labels = stream(SEED, step, f"{name}.classes")
    labels = torch.tensor([below(labels, CLASSES) for _ in range(N)])
    return z, F.one_hot(labels, CLASSES).double()


def apart(p):
    """A copy whose passes move nothing of the original."""
    copy = Parameters()
    copy.values, copy.running = dict(p.values), dict(p.running)
    return copy


def tensors(p):
    """All of a network by the names that a checkpoint has."""
    running = {f"{name}.{part}": v for name, pair in p.running.items() for part, v in zip(["mean", "variance"], pair)}
    named = {name[:-2] + ".spectral.u" if name.endswith(".u") else name: v for name, v in p.values.items()}
    return {name: v.detach().clone() for name, v in {**named, **running}.items()}


def change(p, before):
    """Running statistics are not there before the first pass: 0 and 1 then."""
    start = lambda name, v: before.get(name, torch.ones_like(v) if name.endswith("variance") else torch.zeros_like(v))
    moved = {name: v - start(name, v) for name, v in tensors(p).items()}
    return {name: [v.norm().item(), (v * wave(v.shape, 0.71)).sum().item()] for name, v in moved.items()}


def average_of(g, average):
    """G with the averaged weights; u's and statistics are G's own."""
    copy = apart(g)
    copy.values.update({name: average[name] for name in average})
    return copy


def three_steps():
    g, d = make_generator(), make_discriminator()
    learned = lambda p: {name: v for name, v in p.values.items() if v.requires_grad}
    before = [tensors(g), tensors(d)]
    average = {name: v.detach().clone() for name, v in learned(g).items()}
    adam = [torch.optim.Adam(learned(p).values(), lr=rate, betas=(0.0, 0.999), eps=1e-6) for p, rate in zip((g, d), RATES)]
    squares = lambda p: math.sqrt(sum(v.grad.square().sum().item() for v in learned(p).values()))
    told = []
    for step in range(1, 4):
        real, labels = wave([N, 1, 28, 28], 0.13 + 0.1 * step), F.one_hot(torch.tensor(LABELS), CLASSES).double()
        z, asked = drawn("d", step, "z")
        with torch.no_grad():
            fake = generator(apart(g), z, asked, True)
        logits = discriminator(d, torch.cat([real, fake]), torch.cat([labels, asked]), True)
        d_loss = F.relu(1 - logits[:N]).mean() + F.relu(1 + logits[N:]).mean()
        adam[1].zero_grad()
        d_loss.backward()
        adam[1].step()
        scalars = {"d_loss": d_loss.item(), "d_gradient_norm": squares(d)}
        if (step + 1) % 2 == 0:
            z, asked = drawn("g", step, "z")
            fake = generator(g, z, asked, True)
            g_loss = -discriminator(apart(d), fake, asked, False).mean()
            alike = not_orthogonal(g)
            adam[0].zero_grad()
            (g_loss + ORTHOGONAL * alike).backward()
            adam[0].step()
            scalars.update(g_loss=g_loss.item(), g_alike=alike.item(), g_gradient_norm=squares(g))
            for name, v in learned(g).items():
                average[name] = DECAY * average[name] + (1 - DECAY) * v.detach()
        told.append(scalars)
    model = average_of(g, average)
    passes = []
    for i in range(STANDING):
        fresh = average_of(g, average)
        fresh.running = {}
        z, asked = drawn(f"standing.{i}", 0, "z")
        with torch.no_grad():
            generator(fresh, z, asked, True)
        # A first pass moves the mean from 0 and the variance from 1 by a tenth.
        passes.append({name: (mean / 0.1, (variance - 0.9) / 0.1) for name, (mean, variance) in fresh.running.items()})
    mean_of = lambda name, i: torch.stack([one[name][i] for one in passes]).mean(0)
    model.running = {name: (mean_of(name, 0), mean_of(name, 1)) for name in passes[0]}
    z, labels = wave([N, LATENT], 0.61), F.one_hot(torch.tensor(LABELS), CLASSES).double()
    return {
        "scalars": told,
        "generator": change(g, before[0]),
        "discriminator": change(d, before[1]),
        "model": change(model, before[0]),
        "used": listed(generator(apart(model), z, labels, False)[:, :, ::7, ::7]),
    }


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

    out["steps"] = three_steps()

    rounded = json.loads(json.dumps(out), parse_float=lambda text: float(f"{float(text):.8g}"))
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(rounded, separators=(",", ":")) + "\n")
    print(path.stat().st_size, "bytes", "hinge", hinge.item())


main()
