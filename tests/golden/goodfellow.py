"""Computes tests/golden/goodfellow.json, the numbers that src/recipes/goodfellow.rs is checked against: three whole steps
of Goodfellow et al. 2014's GAN in PyTorch, in float64 and with PyTorch's own autograd.

Written from the paper and the published configuration (goodfeli/adversarial, mnist.yaml):

    networks  G: 100-1200-1200-784, ReLU, sigmoid; D: 784, twice 240 maxout units of 5 pieces, 1 logit
    dropout   before D's layers, 0.2, 0.5, 0.5, scaled by 1/(1 - share); the same masks for the fakes in both losses
    losses    D: the mean of BCE to 1 on real and to 0 on fake; G: the mean of BCE to 1; both players move at once
    update    v = m v - rate g, w = w + v; rate 0.1 / 1.000004^step, at least 1e-6; m from 0.5 in the first epoch of
              50,000 images to 0.7 in the 250th, along a line

Made up for the test, with no files: weights of layer s (G's are 0 to 2, D's 3 to 5) by make.py's `hashed` in
[-0.05, 0.05], biases 0.01 sin(0.2 j + s); batch 4; real pictures 0.5 + 0.5 sin(0.013 i + k) in step k; z and the masks'
keys are the draws of seed 7 by draws.py. The velocity of each parameter is stored as its norm, its product with
sin(0.618 i + 1) and its first value, after the first and after the last step; weights are flat in [in, out] order.

Made with Python 3.11.7, torch 2.15.0, numpy 2.4.6, on CPU. Run by hand: python tests/golden/goodfellow.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from draws import stream
from make import hashed, keep, wave
from torch.nn import functional as F

SEED, BATCH, PIECES = 7, 4, 5
WIDTHS = {
    "generator": {"layers.0": (100, 1200), "layers.1": (1200, 1200), "layers.2": (1200, 784)},
    "discriminator": {"hidden.0.linear": (784, 1200), "hidden.1.linear": (240, 1200), "last": (240, 1)},
}
STEPS = [(0, 0), (60_000, 6_000_000), (125_000, 12_500_000)]  # step, images


def parameters():
    """Each player's weights [in, out] and biases, by name."""
    players, s = {}, 0
    for player, layers in WIDTHS.items():
        players[player] = {}
        for name, (a, b) in layers.items():
            weight = (hashed(a, b, 0, s) / 2.0**31 - 1.0) * 0.05
            bias = 0.01 * wave((b,), 0.2, s)
            for kind, value in [("weight", weight), ("bias", bias)]:
                # What f32 holds, so that both sides begin with the same numbers.
                value = torch.tensor(value.astype(np.float32).astype(np.float64), requires_grad=True)
                players[player][f"{name}.{kind}"] = value
            s += 1
    return players


def generate(g, z):
    h = F.relu(z @ g["layers.0.weight"] + g["layers.0.bias"])
    h = F.relu(h @ g["layers.1.weight"] + g["layers.1.bias"])
    return torch.sigmoid(h @ g["layers.2.weight"] + g["layers.2.bias"])


def judge(d, x, masks):
    h = x
    for name, mask in zip(["hidden.0.linear", "hidden.1.linear"], masks):
        h = (h * mask) @ d[f"{name}.weight"] + d[f"{name}.bias"]
        h = h.reshape(len(h), -1, PIECES).max(dim=2).values
    return (h * masks[2]) @ d["last.weight"] + d["last.bias"]


def uniform(step, name, shape):
    """U(-1, 1) with 24 random bits."""
    draws = stream(SEED, step, name)
    return np.array([-1.0 + 2.0 * ((next(draws) >> 40) / 2.0**24) for _ in range(np.prod(shape))]).reshape(shape)


def masks_of(step):
    """The factors for the fakes and, below them, for the real pictures, before each of D's layers."""
    masks = []
    for layer, (width, share) in enumerate([(784, 0.2), (240, 0.5), (240, 0.5)]):
        key = next(stream(SEED, step, f"dropout.{layer}"))
        kept = keep(2 * BATCH, width, 0, key, int(share * 2**32))
        masks.append(torch.from_numpy(kept).to(torch.float64) / (1.0 - share))
    return masks


def step(players, velocities, k):
    number, images = STEPS[k]
    g, d = players["generator"], players["discriminator"]
    real = torch.tensor(0.5 + 0.5 * wave((BATCH, 784), 0.013, k))
    fake = generate(g, torch.tensor(uniform(number, "z", (BATCH, 100)) * np.sqrt(3.0)))
    masks = masks_of(number)
    on_fake = judge(d, fake, [mask[:BATCH] for mask in masks])
    on_real = judge(d, real, [mask[BATCH:] for mask in masks])
    one, zero = torch.ones_like(on_real), torch.zeros_like(on_fake)
    bce = F.binary_cross_entropy_with_logits
    losses = {
        "generator": bce(on_fake, one),
        "discriminator": 0.5 * (bce(on_real, one) + bce(on_fake, zero)),
    }
    gradients = {
        player: torch.autograd.grad(loss, list(players[player].values()), retain_graph=True)
        for player, loss in losses.items()
    }

    rate = max(0.1 / 1.000004**number, 1e-6)
    share = min((images // 50_000) / 249, 1.0)
    momentum = 0.5 * (1 - share) + 0.7 * share
    with torch.no_grad():
        for player, weights in players.items():
            for (name, weight), gradient in zip(weights.items(), gradients[player]):
                velocity = velocities[player].get(name, torch.zeros_like(weight))
                velocities[player][name] = momentum * velocity - rate * gradient
                weight += velocities[player][name]

    def norm(player):
        return torch.sqrt(sum((gradient**2).sum() for gradient in gradients[player])).item()

    return {
        "d_loss": losses["discriminator"].item(),
        "g_loss": losses["generator"].item(),
        "d_real": torch.sigmoid(on_real).mean().item(),
        "d_fake": torch.sigmoid(on_fake).mean().item(),
        "d_gradient_norm": norm("discriminator"),
        "g_gradient_norm": norm("generator"),
    }


def told(velocities):
    def three(tensor):
        flat = tensor.numpy().ravel()
        return [float(np.linalg.norm(flat)), float(flat @ wave((flat.size,), 0.618, 1.0)), float(flat[0])]

    return {player: {name: three(v) for name, v in named.items()} for player, named in velocities.items()}


def main():
    torch.set_num_threads(1)
    players, velocities = parameters(), {"generator": {}, "discriminator": {}}
    steps, snapshots = [], []
    for k in range(len(STEPS)):
        steps.append(step(players, velocities, k))
        snapshots.append(told(velocities))
    golden = {
        "made_by": f"tests/golden/goodfellow.py, torch {torch.__version__}, numpy {np.__version__}",
        "steps": steps,
        "velocities": [snapshots[0], snapshots[-1]],
    }
    path = Path(__file__).with_name("goodfellow.json")
    path.write_text(json.dumps(golden, indent=1, allow_nan=False) + "\n")
    print(json.dumps(steps, indent=1))


if __name__ == "__main__":
    main()
