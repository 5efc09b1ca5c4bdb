"""Makes tests/golden/midinet.json: MidiNet's networks and losses, by the paper's description and its published sizes.

Written out from Yang, Chou and Yang 2017, "MidiNet" (section 3 and table 2) with true convolutions, 2 samples, all sizes as
published but 3 maps where it has 16, 128, 256 and 64, and 5 units where it has 1024. Batch norms take the batch's statistics,
epsilon 1e-5. A layer before a norm has no bias.

Nothing is drawn at random. The p-th parameter of a network, in the order in which it is declared below, is

    scale * wave(shape, 0.37 + 0.05 p) + offset     wave(shape, rate) = sin(rate (i + 1) + 0.3 sin(0.01 i^2))

with i the flat index, rounded to float32. A weight [in, out] has scale 1.5 / sqrt(in), a gamma 0.2 and offset 1, a beta or
bias 0.1. The weights of convolutions are those of products:

    convolution over k steps, stride k or 2     [steps of the window * maps in, maps out], the window's steps outermost
    ... over 2 steps and all 128 pitches        [step, pitch, map in -> maps out], flattened in that order
    ... over 1 step and all pitches             [pitch, maps out]
    transposed convolution, 2 steps, stride 2   [maps in, step * maps out], the step outermost
    ... to 1 step and all pitches               [maps in, pitch]

A bar [n, 16, 128] is wave(.., 0.13) > 0.9 as 0 and 1, the previous one wave(.., 0.17) > 0.9, the chord [n, 13] wave(.., 0.19) > 0,
z [n, 100] wave(.., 0.23). All else is float64; numbers are stored with 8 digits. Of each parameter's gradient the norm and
the product with wave(shape, 0.71) are kept.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/midinet.py
"""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

from translation import Network, bce, rounded, wave

torch.set_num_threads(1)
N, STEPS, PITCHES, CHORD, Z = 2, 16, 128, 13, 100
SIZES = dict(previous=3, hidden=5, seed=3, maps=3, d_maps=3, d_hidden=5)
FULL = dict(previous=16, hidden=1024, seed=128, maps=128, d_maps=64, d_hidden=1024)


class Products(Network):
    def linear(self, name, inputs, outputs, bias):
        self.declare(f"{name}.weight", [inputs, outputs])
        if bias:
            self.declare(f"{name}.bias", [outputs])

    def declare(self, name, shape):
        if name.endswith("weight"):
            value = 1.5 / shape[0] ** 0.5 * wave(shape, 0.37 + 0.05 * len(self.values))
            self.values[name] = value.float().double().requires_grad_()
        else:
            super().declare(name, shape)

    def batch_norm(self, name, x):
        axes = [i for i in range(x.dim()) if i != 1]
        y = (x - x.mean(axes, keepdim=True)) / (x.var(axes, unbiased=False, keepdim=True) + 1e-5).sqrt()
        shape = [1, -1] + [1] * (x.dim() - 2)
        return y * self[f"{name}.gamma"].reshape(shape) + self[f"{name}.beta"].reshape(shape)

    def over(self, name, x, steps, stride):
        """x [n, maps, steps, width] by a window of `steps` and all the width."""
        weight = self[f"{name}.weight"]
        _, maps, _, width = x.shape
        kernel = weight.reshape(steps, width, maps, -1).permute(3, 2, 0, 1)
        return F.conv2d(x, kernel, stride=(stride, 1))

    def back(self, name, x, steps, width):
        """x [n, maps, steps, 1] to `steps` times as many steps of this width."""
        weight = self[f"{name}.weight"]
        kernel = weight.reshape(weight.shape[0], steps, -1, width).permute(0, 2, 1, 3)
        return F.conv_transpose2d(x, kernel, stride=(steps, 1))


def generator_parameters(previous, hidden, seed, maps, **_):
    p = Products()
    p.linear("previous.0", PITCHES, previous, False)
    for i in range(1, 4):
        p.linear(f"previous.{i}", 2 * previous, previous, False)
    for i in range(4):
        p.norm(f"previous_norms.{i}", previous)
    p.linear("hidden.0", Z + CHORD, hidden, False)
    p.linear("hidden.1", hidden + CHORD, 2 * seed, False)
    p.norm("hidden_norms.0", hidden)
    p.norm("hidden_norms.1", 2 * seed)
    for i in range(3):
        p.linear(f"up.{i}", (seed if i == 0 else maps) + CHORD + previous, 2 * maps, False)
    for i in range(3):
        p.norm(f"up_norms.{i}", maps)
    p.linear("last", maps + CHORD + previous, PITCHES, False)
    p.declare("last.bias", [1])
    return p


def generator(p, z, chord, before, seed, **_):
    leaky = lambda x: F.leaky_relu(x, 0.2)
    h = leaky(p.batch_norm("previous_norms.0", p.over("previous.0", before.reshape(N, 1, STEPS, PITCHES), 1, 1)))
    seen = [h]  # 16, 8, 4, 2 steps
    for i in range(1, 4):
        h = leaky(p.batch_norm(f"previous_norms.{i}", p.over(f"previous.{i}", h, 2, 2)))
        seen.append(h)
    h = F.relu(p.batch_norm("hidden_norms.0", torch.cat([z, chord], 1) @ p["hidden.0.weight"]))
    h = F.relu(p.batch_norm("hidden_norms.1", torch.cat([h, chord], 1) @ p["hidden.1.weight"]))
    h = h.reshape(N, 2, seed).transpose(1, 2).reshape(N, seed, 2, 1)
    beside = lambda h: torch.cat([h, chord.reshape(N, CHORD, 1, 1).expand(-1, -1, h.shape[2], -1), seen.pop()], 1)
    for i in range(3):
        h = F.relu(p.batch_norm(f"up_norms.{i}", p.back(f"up.{i}", beside(h), 2, 1)))
    h = p.back("last", beside(h), 1, PITCHES) + p["last.bias"]
    return torch.sigmoid(h).reshape(N, STEPS, PITCHES)


def discriminator_parameters(d_maps, d_hidden, **_):
    p = Products()
    p.linear("first", 2 * PITCHES * (1 + CHORD), 1 + CHORD, True)
    maps = d_maps + CHORD
    p.linear("second", 4 * (1 + 2 * CHORD), maps, False)
    p.norm("second_norm", maps)
    p.linear("hidden", 3 * maps + CHORD, d_hidden, False)
    p.norm("hidden_norm", d_hidden)
    p.linear("last", d_hidden + CHORD, 1, True)
    return p


def discriminator(p, bar, chord):
    """The logits, and what the first layer saw."""
    leaky = lambda x: F.leaky_relu(x, 0.2)
    plane = chord.reshape(N, CHORD, 1, 1)
    x = torch.cat([bar.reshape(N, 1, STEPS, PITCHES), plane.expand(-1, -1, STEPS, PITCHES)], 1)
    first = leaky(p.over("first", x, 2, 2) + p["first.bias"].reshape(1, -1, 1, 1))
    h = torch.cat([first, plane.expand(-1, -1, first.shape[2], 1)], 1)
    h = leaky(p.batch_norm("second_norm", p.over("second", h, 4, 2)))
    h = h.permute(0, 2, 1, 3).reshape(N, -1)  # the steps outermost
    h = leaky(p.batch_norm("hidden_norm", torch.cat([h, chord], 1) @ p["hidden.weight"]))
    return torch.cat([h, chord], 1) @ p["last.weight"] + p["last.bias"], first


def l2(x):
    return (x**2).sum() / 2


def midinet():
    bar, before = [(wave([N, STEPS, PITCHES], rate) > 0.9).double() for rate in (0.13, 0.17)]
    chord, z = (wave([N, CHORD], 0.19) > 0).double(), wave([N, Z], 0.23)
    g, d = generator_parameters(**SIZES), discriminator_parameters(**SIZES)
    fake = generator(g, z, chord, before, **SIZES)
    real_logits, real_seen = discriminator(d, bar, chord)
    fake_logits, _ = discriminator(d, fake.detach(), chord)
    d_loss = bce(real_logits, 0.9) + bce(fake_logits, 0.0)
    logits, seen = discriminator(d, fake, chord)
    features = 0.1 * l2(seen.mean(0) - real_seen.detach().mean(0))
    image = 0.01 * l2(fake.mean(0) - bar.mean(0))
    g_loss = bce(logits, 1.0)
    return {
        "fake": fake[:, ::3, ::5].flatten().tolist(),
        "logits": real_logits.flatten().tolist(),
        "d_loss": d_loss.item(),
        "g_loss": g_loss.item(),
        "features": features.item(),
        "image": image.item(),
        "d_gradients": d.gradients(d_loss),
        "g_gradients": g.gradients(g_loss + features + image),
        "generator_parameters": sum(v.numel() for v in generator_parameters(**FULL).values.values()),
        "discriminator_parameters": sum(v.numel() for v in discriminator_parameters(**FULL).values.values()),
    }


if __name__ == "__main__":
    Path(__file__).with_name("midinet.json").write_text(json.dumps(rounded(midinet())) + "\n")
