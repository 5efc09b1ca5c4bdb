"""Makes tests/golden/kernels.json: what PyTorch says some operations of ganvas-kernels compute, for a Rust test to meet.

It fixes batch, instance and layer norm followed by leaky ReLU, with their gradients; upsampling, filtering and
downsampling written out as zero insertion, padding and `conv2d`; pixel shuffle and its inverse; binary cross-entropy on
logits; tanh and sigmoid. Nothing is drawn at random: every tensor comes from the formula

    wave(shape, rate)    sin(rate (i + 1) + 0.3 sin(0.01 i^2)), rounded to float32    i the flat index

and every gradient is that of the sum of the result times wave(result's shape, 0.71). All else is float64; numbers are
stored with 8 digits.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/kernels.py
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


def outcome(operation, *leaves):
    """The result and the gradients of the leaves."""
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    y = operation(*leaves)
    gradients = torch.autograd.grad((y * wave(y.shape, 0.71)).sum(), leaves)
    return {"y": stored(y), "gradients": [stored(gradient) for gradient in gradients]}


# ---- normalisation


def normalised(over):
    def operation(x, gamma, beta):
        if over == "batch":
            y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-3)
        elif over == "instance":
            y = F.instance_norm(x, weight=gamma, bias=beta, eps=1e-3)
        else:
            y = F.group_norm(x, 1, gamma, beta, eps=1e-3)
        return F.leaky_relu(y, 0.2)

    return operation


def norms():
    x, gamma, beta = wave([2, 3, 3, 5], 0.37) * 2 + 0.5, wave([3], 0.91) + 1.2, wave([3], 0.53)
    return {over: outcome(normalised(over), x, gamma, beta) for over in ["batch", "instance", "layer"]}


# ---- resampling


def filtered(x, taps, up, down, padding, gain):
    """Zero insertion, padding (or cropping), convolution, and one pixel kept of down x down."""
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, h, up, w, up)
    wide[:, :, :, 0, :, 0] = x
    (top, bottom), (left, right) = padding
    wide = F.pad(wide.reshape(n, c, h * up, w * up), [left, right, top, bottom])  # below 0 it crops
    kernel = torch.outer(taps, taps).flip(0, 1) * gain  # conv2d correlates
    y = F.conv2d(wide.reshape(n * c, 1, *wide.shape[2:]), kernel[None, None])
    return y.reshape(n, c, *y.shape[2:])[:, :, ::down, ::down]


FILTERS = [
    {"taps": [1, 3, 2, 1], "up": 1, "down": 1, "padding": [[2, 1], [2, 1]], "gain": 0.0625},
    {"taps": [1, 3, 2, 1], "up": 2, "down": 1, "padding": [[2, 1], [2, 1]], "gain": 0.25},
    {"taps": [1, 3, 2, 1], "up": 1, "down": 2, "padding": [[1, 1], [1, 1]], "gain": 0.0625},
    {"taps": [1, 2, 5, 4, 2, 1], "up": 2, "down": 3, "padding": [[4, -1], [-1, 3]], "gain": 0.5},
]


def filters():
    x = wave([1, 2, 5, 6], 0.37)

    def result(f):
        taps = torch.tensor(f["taps"], dtype=torch.float64)
        return outcome(lambda x: filtered(x, taps, f["up"], f["down"], f["padding"], f["gain"]), x)

    return [{"fir": f, **result(f)} for f in FILTERS]


# ---- the rest


def losses():
    x = torch.cat([wave([9], 0.37) * 8, torch.tensor([0.0, 500.0, -500.0], dtype=torch.float64)])

    def loss(target):
        return lambda x: F.binary_cross_entropy_with_logits(x, torch.full_like(x, target)).reshape(1)

    return [{"target": target, "x": stored(x), **outcome(loss(target), x)} for target in [0.0, 0.9, 1.0]]


def main():
    values = wave([1, 2, 3, 4], 0.37) * 6
    golden = {
        "norm": norms(),
        "upfirdn2d": filters(),
        "pixel_shuffle": outcome(lambda x: F.pixel_shuffle(x, 2), wave([2, 8, 2, 3], 0.37)),
        "pixel_unshuffle": outcome(lambda x: F.pixel_unshuffle(x, 3), wave([1, 2, 6, 3], 0.37)),
        "avg_pool2": outcome(lambda x: F.avg_pool2d(x, 2), wave([2, 2, 4, 6], 0.37)),
        "bce_with_logits": losses(),
        "tanh": outcome(torch.tanh, values),
        "sigmoid": outcome(torch.sigmoid, values),
    }
    path = Path(__file__).with_name("kernels.json")
    path.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
