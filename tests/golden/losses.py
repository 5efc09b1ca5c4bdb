"""Makes tests/golden/losses.json: what PyTorch says the losses and penalties of src/loss compute, for Rust tests to meet.

It fixes every loss of the menu, at plain and at extreme logits, with its gradients by the logits; R1, R2 and WGAN-GP
of a small critic (linear 5 to 7, leaky ReLU 0.25, linear 7 to 1) with their gradients by its weights, which
PyTorch's double backward makes; and two steps of StyleGAN2's path length penalty. Nothing is drawn at random: every
tensor comes from the formula

    wave(shape, rate)    sin(rate (i + 1) + 0.3 sin(0.01 i^2)), rounded to float32    i the flat index

All else is float64; numbers are stored with 8 digits.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/losses.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


def stored(tensor):
    return [float(f"{value:.8g}") for value in tensor.detach().flatten().tolist()]


LOSSES = {
    "minimax": (
        lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        lambda real, fake: -F.softplus(fake).mean(),
    ),
    "non_saturating": (
        lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        lambda real, fake: F.softplus(-fake).mean(),
    ),
    "least_squares": (
        lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
        lambda real, fake: (fake - 1).square().mean() / 2,
    ),
    "hinge": (
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda real, fake: -fake.mean(),
    ),
    "wasserstein": (
        lambda real, fake: fake.mean() - real.mean(),
        lambda real, fake: -fake.mean(),
    ),
    "relativistic": (
        lambda real, fake: F.softplus(fake - real).mean(),
        lambda real, fake: F.softplus(real - fake).mean(),
    ),
    "relativistic_average": (
        lambda real, fake: (F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()) / 2,
        lambda real, fake: (F.softplus(real.mean() - fake).mean() + F.softplus(real - fake.mean()).mean()) / 2,
    ),
}


def losses():
    logits = {
        "plain": (3 * wave((5, 1), 0.9), 3 * wave((5, 1), 1.7)),
        "extreme": (
            torch.tensor([[200.0], [-200.0], [90.0], [-90.0]]).double(),
            torch.tensor([[-200.0], [200.0], [200.0], [0.0]]).double(),
        ),
    }
    cases = []
    for name, players in LOSSES.items():
        for real, fake in logits.values():
            case = {"loss": name, "real": stored(real), "fake": stored(fake)}
            for player, loss in zip(("discriminator", "generator"), players):
                real, fake = (t.detach().requires_grad_() for t in (real, fake))
                value = loss(real, fake)
                gradients = torch.autograd.grad(value, (real, fake), allow_unused=True, materialize_grads=True)
                case[player] = {"value": stored(value)[0], "by_real": stored(gradients[0]), "by_fake": stored(gradients[1])}
            cases.append(case)
    return cases


def penalties():
    w1, b1, w2, b2 = 0.8 * wave((5, 7), 0.37), 0.3 * wave((7,), 1.1), 0.9 * wave((7, 1), 0.53), 0.1 * wave((1,), 1.0)
    weights = [w.requires_grad_() for w in (w1, b1, w2, b2)]
    real, fake, t = wave((4, 5), 0.61), wave((4, 5), 1.31), wave((4,), 0.45).abs()

    def critic(x):
        return F.leaky_relu(x @ w1 + b1, 0.25) @ w2 + b2

    def gradient(x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]

    between = real + (fake - real) * t[:, None]
    r1 = 1.5 / 2 * gradient(real).square().sum(1).mean()
    r2 = 1.5 / 2 * gradient(fake).square().sum(1).mean()
    values = {
        "r1": r1,
        "r1r2": r1 + r2,
        "wgan_gp": 10 * (gradient(between).norm(dim=1) - 1).square().mean(),
    }
    cases = {}
    for name, value in values.items():
        by_w1, by_w2 = torch.autograd.grad(value, (w1, w2), retain_graph=True)
        cases[name] = {"value": stored(value)[0], "by_w1": stored(by_w1), "by_w2": stored(by_w2)}
    inputs = zip(("w1", "b1", "w2", "b2", "real", "fake", "t"), weights + [real, fake, t])
    return {**{name: stored(tensor) for name, tensor in inputs}, "between": stored(between), "cases": cases}


def path_length():
    mean, steps = torch.zeros([], dtype=torch.float64), []
    for rate in (0.7, 1.9):
        gradient = (2 * wave((3, 2, 4), rate)).requires_grad_()
        lengths = gradient.square().sum(2).mean(1).sqrt()
        moved = mean.lerp(lengths.mean(), 0.01)
        value = (lengths - moved).square().mean()
        (back,) = torch.autograd.grad(value, gradient)
        mean = moved.detach()
        steps.append(
            {"gradient": stored(gradient), "value": stored(value)[0], "mean": stored(mean)[0], "by_gradient": stored(back)}
        )
    return steps


golden = {"losses": losses(), "penalties": penalties(), "path_length": path_length()}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
