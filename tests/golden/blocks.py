"""Makes tests/golden/blocks.json: what PyTorch says the blocks of src/nn compute, for tests/gradients.rs to meet.

Each case is a function of leaves. Nothing is drawn at random: leaf k is wave(shape, RATES[k]) with

    wave(shape, rate)    sin(rate (i + 1) + 0.3 sin(0.01 i^2)), rounded to float32    i the flat index

and c is wave(y's shape, 0.71) for the result y. Stored are

    y            the result
    gradients    of sum(y c) by every leaf; by the inputs they are what the way back makes of c
    penalty      of sum((gradient of sum(y c) by the inputs)^2) by every leaf, by double backward

The inputs come first among the leaves: x, and for a modulated convolution the style after it. Reference formulas are
written out: equalised weights as a product, a modulated convolution as an explicit weight for each sample in a grouped
convolution, the filters as zero insertion, padding and `conv2d`. All of it is float64; numbers are stored with 8 digits.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/blocks.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

RATES = [0.37, 0.91, 0.53, 0.29]


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


def stored(tensor):
    return [float(f"{value:.8g}") for value in tensor.detach().flatten().tolist()]


def outcome(shapes, operation, inputs=1):
    """The result, the gradients, and the penalty's gradients where there are inputs with a way back."""
    leaves = [wave(shape, rate).requires_grad_() for shape, rate in zip(shapes, RATES)]
    y = operation(*leaves)
    total = (y * wave(y.shape, 0.71)).sum()
    gradients = torch.autograd.grad(total, leaves, create_graph=True)
    case = {"y": stored(y), "gradients": [stored(gradient) for gradient in gradients]}
    if inputs:
        penalty = sum(gradient.square().sum() for gradient in gradients[:inputs])
        found = torch.autograd.grad(penalty, leaves, allow_unused=True)
        case["penalty"] = [stored(torch.zeros_like(l) if g is None else g) for l, g in zip(leaves, found)]
    return case


# ---- convolutions and linear layers


def convolutions():
    root = 1 / math.sqrt(3 * 9)  # of an equalised layer's fan-in
    leaky = lambda y: F.leaky_relu(y, 0.2)
    return {
        "conv": outcome([[2, 3, 4, 5], [4, 3, 3, 3], [4]], lambda x, w, b: F.conv2d(x, w, b, padding=1)),
        "conv in groups": outcome(
            [[2, 4, 6, 4], [6, 2, 4, 4], [6]],
            lambda x, w, b: leaky(F.conv2d(x, w, b, stride=2, padding=1, groups=2)),
        ),
        "conv equalised": outcome(
            [[2, 3, 5, 5], [4, 3, 3, 3], [4]],
            lambda x, w, b: leaky(F.conv2d(x, w * (math.sqrt(2) * 0.5 * root), b * (math.sqrt(2) * 0.5), 2, 1)),
        ),
        "conv without bias": outcome([[2, 3, 4, 3], [2, 3, 1, 1]], lambda x, w: leaky(F.conv2d(x, w))),
        "transposed to twice": outcome(
            [[2, 3, 2, 3], [3, 2, 4, 4], [2]], lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1), 0
        ),
        "transposed from a vector": outcome([[2, 5, 1, 1], [5, 2, 4, 4]], lambda x, w: F.conv_transpose2d(x, w), 0),
    }


def linears():
    return {
        "linear": outcome([[4, 5], [5, 3], [3]], lambda x, w, b: F.leaky_relu(x @ w + b, 0.2)),
        "linear equalised": outcome(
            [[4, 5], [5, 3], [3]], lambda x, w, b: F.leaky_relu(x @ w * (2 * 0.01 / math.sqrt(5)) + b * (2 * 0.01), 0.2)
        ),
        "linear alone": outcome([[4, 5], [5, 1], [1]], lambda x, w, b: x @ w + b),
    }


# ---- norms


def norms():
    shapes = [[2, 3, 2, 3], [3], [3]]

    def over(axes, slope):
        def operation(x, gamma, beta):
            centred = x - x.mean(axes, keepdim=True)
            normal = centred / (centred.square().mean(axes, keepdim=True) + 1e-3).sqrt()
            y = normal * (gamma + 1.2).reshape(1, 3, 1, 1) + beta.reshape(1, 3, 1, 1)
            return F.leaky_relu(y, slope)

        return operation

    axes = {"batch": [0, 2, 3], "instance": [2, 3], "layer": [1, 2, 3]}
    cases = {f"{name} norm": outcome(shapes, over(axes[name], 0.2)) for name in axes}
    cases["instance norm alone"] = outcome(shapes, over(axes["instance"], 1.0))

    def trained(x, gamma, beta, sample=False):
        layer = torch.nn.BatchNorm2d(3, eps=1e-3, momentum=0.1).double()
        state = [layer(x)]  # a first batch, for the running statistics
        layer(x * 2 + 1)
        statistics = [layer.running_mean, layer.running_var]
        mean, variance = (statistics if sample else [None, None])
        y = F.batch_norm(x, mean, variance, gamma + 1.2, beta, training=not sample, eps=1e-3)
        return F.leaky_relu(y, 0.2), statistics

    cases["batch norm in training"] = outcome(shapes, lambda *l: trained(*l)[0], 0)
    cases["batch norm in sampling"] = outcome(shapes, lambda *l: trained(*l, sample=True)[0], 0)
    cases["running statistics"] = {"y": stored(torch.cat(trained(*[wave(s, r) for s, r in zip(shapes, RATES)])[1]))}
    pixel = lambda x: x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
    cases["pixel norm"] = outcome([[2, 3, 2, 3]], pixel, 0)
    cases["pixel norm of vectors"] = outcome([[3, 4]], pixel, 0)
    return cases


# ---- minibatch deviation (Karras et al. 2018, section 3; one channel of statistics)


def deviation(x):
    n, c, h, w = x.shape
    group = 4
    channel = []
    for i in range(n):
        together = x[i % (n // group) :: n // group]  # every (n / group)-th sample
        variance = (together - together.mean(0)).square().mean(0)
        channel.append((variance + 1e-8).sqrt().mean().expand(1, 1, h, w))
    return torch.cat([x, torch.cat(channel)], 1)


def deviations():
    return {f"deviation of {n}": outcome([[n, 2, 2, 2]], deviation) for n in [4, 8]}


# ---- resampling with StyleGAN2's filter

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8


def filtered(x, up, down, padding, gain):
    """Zero insertion, padding, convolution, and one pixel kept of down x down."""
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, h, up, w, up)
    wide[:, :, :, 0, :, 0] = x
    before, after = padding
    wide = F.pad(wide.reshape(n, c, h * up, w * up), [before, after, before, after])
    kernel = torch.outer(TAPS, TAPS)[None, None] * gain
    y = F.conv2d(wide.reshape(n * c, 1, *wide.shape[2:]), kernel)
    return y.reshape(n, c, *y.shape[2:])[:, :, ::down, ::down]


def resamplings():
    ways = {"double": (2, 1, (2, 1), 4), "halve": (1, 2, (1, 1), 1), "blur": (1, 1, (2, 1), 1)}
    return {name: outcome([[2, 2, 4, 2]], lambda x, way=way: filtered(x, *way)) for name, way in ways.items()}


# ---- modulated convolutions (Karras et al. 2020, equations 1 and 3)


def modulated(x, style, weight, demodulate, up, gain):
    n, _, h, w = x.shape
    outputs, inputs, k, _ = weight.shape
    each = weight[None] * style[:, None, :, None, None]  # [n, outputs, inputs, k, k]
    if demodulate:
        each = each / (each.square().sum([2, 3, 4], keepdim=True) + 1e-8).sqrt()
    each = each * gain
    x = x.reshape(1, n * inputs, h, w)
    if not up:
        return F.conv2d(x, each.reshape(n * outputs, inputs, k, k), padding=k // 2, groups=n).reshape(n, outputs, h, w)
    each = each.transpose(1, 2).reshape(n * inputs, outputs, k, k)
    y = F.conv_transpose2d(x, each, stride=2, groups=n)  # [1, n * outputs, 2h + k - 2, ..]
    y = y.reshape(n, outputs, 2 * h + k - 2, 2 * w + k - 2)
    return filtered(y, 1, 1, ((6 - k) // 2, (5 - k) // 2), 4)


def modulations():
    def case(kernel, *way, side=3):
        shapes = [[2, 3, side, 2], [2, 3], [2, 3, kernel, kernel]]
        return outcome(shapes, lambda x, s, w: modulated(x, s, w, *way), 2)

    return {
        "modulated": case(3, True, False, math.sqrt(2)),
        "modulated up": case(3, True, True, math.sqrt(2)),
        "modulated up by one tap": case(1, True, True, 1.0),
        "to colours": case(1, False, False, 1 / math.sqrt(3)),
    }


def main():
    golden = convolutions() | linears() | norms() | deviations() | resamplings() | modulations()
    path = Path(__file__).with_name("blocks.json")
    path.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
