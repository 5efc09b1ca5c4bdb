"""What the scripts of recipes with several networks share: the parameters by a formula, and what is said of gradients.

wave(shape, rate) is sin(rate (i + 1) + 0.3 sin(0.01 i²)) by the flat index i, rounded to f32. The i-th parameter of a network is
scale * wave(shape, 0.37 + 0.05 i) + offset: scale 0.2 and offset 1 for what a norm multiplies by, gain * 1.5 / sqrt(inputs) and 0 for other
weights, 0.1 and 0 for the rest. A linear weight is [inputs, outputs].
"""

import math

import torch
from torch import nn


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


def turned(module, tensor):
    """A linear layer's weight is its transpose here."""
    return tensor.T if isinstance(module, nn.Linear) and tensor.dim() == 2 else tensor


def parameters(net):
    return [(module, name, p) for module in net.modules() for name, p in module.named_parameters(recurse=False)]


def filled(net, gain=1.0):
    net.double().train()
    for i, (module, name, parameter) in enumerate(parameters(net)):
        shape = turned(module, parameter).shape
        scale, offset = 0.1, 0.0
        is_norm = isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm))
        if name == "gamma" or is_norm and name == "weight":
            scale, offset = 0.2, 1.0
        elif name == "weight":
            scale = gain * 1.5 / math.sqrt(shape[0] if len(shape) == 2 else math.prod(shape[1:]))
        value = (scale * wave(shape, 0.37 + 0.05 * i) + offset).float().double()
        parameter.data = turned(module, value).contiguous()
    return net


def gradients(net, loss):
    """Of each parameter's gradient the norm, and the product with wave(shape, 0.71)."""
    found = torch.autograd.grad(loss, [p for _, _, p in parameters(net)], retain_graph=True)
    found = [turned(module, g) for (module, _, _), g in zip(parameters(net), found)]
    return [[g.norm().item(), (g * wave(g.shape, 0.71)).sum().item()] for g in found]


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value
