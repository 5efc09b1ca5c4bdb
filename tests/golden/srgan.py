"""Makes tests/golden/srgan.json: small networks and losses of SRGAN, and a step of training, by the paper's description.

Written from Ledig et al. 2017 (figure 4, sections 2 and 3.2) with PyTorch's own modules. The generator: 4 channels, two blocks;
the discriminator: pictures of 32 pixels, 2 channels in its first layer, which double at every halving; norms over the batch with
epsilon 1e-5; 3 pictures of 8x8 and of 32x32 pixels. What figure 4 leaves open: a slope of a PReLU is one channel's (He et al.
2015), and a convolution before a norm has no bias. The losses stand as in the paper, D's output as a probability:

    mse      the mean of (large - G(small))^2, of which the first stage consists                             equation 4
    d_loss   -mean log D(large) - mean log(1 - D(G(small)))                                                  equation 2
    g_loss   -mean log D(G(small))                                                                           equation 6
    total    mse + GAN_WEIGHT * g_loss, the second stage of the paper's SRGAN-MSE                            equation 3

The paper's weight is 1e-3; here it is such that both parts of G's gradient show. The perceptual distance is left out, as
tests/golden/perceptual.py has it. `sampled` is G by its running statistics after they followed one batch by a tenth. `step` is
one step of the second stage by Adam with the rate 1e-4 and betas 0.9 and 0.999, G judged by the D that has just learned; its
last entry is G by running statistics thereafter. The numbers of parameters are those of 64 channels, 16 blocks, 96 pixels.

Parameters come from the formula of tests/golden/translation.py, in the order in which the modules are listed below; a linear
weight is [inputs, outputs] with scale 1.5 / sqrt(inputs). Small pictures are (1 + wave(shape, 0.013)) / 2, large ones
wave(shape, 0.017). All is float64; of each parameter's gradient the norm and the product with wave(shape, 0.71) are kept.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/srgan.py
"""

import copy
import json
import math
from pathlib import Path

import torch
from torch import nn

torch.set_num_threads(1)
HIDDEN, GAN_WEIGHT = 1024, 0.1


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x):
        return x + self.layers(x)


class Generator(nn.Module):
    def __init__(self, width=64, blocks=16):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 9, 1, 4), nn.PReLU(width))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.body = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.up = nn.ModuleList(nn.Conv2d(width, 4 * width, 3, 1, 1) for _ in range(2))
        self.up_slopes = nn.ModuleList(nn.PReLU(width) for _ in range(2))
        self.last = nn.Conv2d(width, 3, 9, 1, 4)

    def forward(self, x):
        first = self.first(x)
        h = first + self.body(self.blocks(first))
        for convolution, slope in zip(self.up, self.up_slopes):
            h = slope(nn.functional.pixel_shuffle(convolution(h), 2))
        return self.last(h)


class Discriminator(nn.Module):
    """Probabilities."""

    def __init__(self, width=64, side=96):
        super().__init__()
        plan = [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)]  # times the width, stride
        inputs, layers, norms = 3, [], []
        for i, (times, stride) in enumerate(plan):
            layers.append(nn.Conv2d(inputs, times * width, 3, stride, 1, bias=i == 0))
            if i > 0:
                norms.append(nn.BatchNorm2d(times * width))
            inputs = times * width
        self.layers, self.norms = nn.ModuleList(layers), nn.ModuleList(norms)
        self.hidden = nn.Linear(inputs * (side // 16) ** 2, HIDDEN)
        self.last = nn.Linear(HIDDEN, 1)

    def logits(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = nn.functional.leaky_relu(self.norms[i - 1](x) if i > 0 else x, 0.2)
        return self.last(nn.functional.leaky_relu(self.hidden(x.flatten(1)), 0.2))

    def forward(self, x):
        return torch.sigmoid(self.logits(x))


def turned(module, tensor):
    """A linear layer's weight is its transpose here."""
    return tensor.T if isinstance(module, nn.Linear) and tensor.dim() == 2 else tensor


def parameters(net):
    return [(module, name, p) for module in net.modules() for name, p in module.named_parameters(recurse=False)]


def filled(net):
    net.double()
    for i, (module, name, parameter) in enumerate(parameters(net)):
        shape = turned(module, parameter).shape
        scale, offset = 0.1, 0.0  # biases and slopes
        if name == "weight" and isinstance(module, nn.BatchNorm2d):
            scale, offset = 0.2, 1.0
        elif name == "weight" and not isinstance(module, nn.PReLU):
            scale = 1.5 / math.sqrt(shape[0] if len(shape) == 2 else math.prod(shape[1:]))
        value = (scale * wave(shape, 0.37 + 0.05 * i) + offset).float().double()
        parameter.data = turned(module, value).contiguous()
    return net


def gradients(net, loss):
    listed = parameters(net)
    found = torch.autograd.grad(loss, [p for _, _, p in listed], retain_graph=True)
    found = [turned(module, g) for (module, _, _), g in zip(listed, found)]
    return [[g.norm().item(), (g * wave(g.shape, 0.71)).sum().item()] for g in found]


def norm(found):
    return math.sqrt(sum(size**2 for size, _ in found))


def d_objective(d, large, fake):
    return -torch.log(d(large)).mean() - torch.log(1 - d(fake.detach())).mean()


def g_objective(d, fake):
    return -torch.log(d(fake)).mean()


def one_step(g, d, small, large):
    """D learns, then G; returns what is plotted, and pictures by the G that has learned."""
    of_d, of_g = (torch.optim.Adam(net.parameters(), 1e-4, (0.9, 0.999)) for net in (d, g))
    fake = g(small)
    mse = ((large - fake) ** 2).mean()
    d_loss = d_objective(d, large, fake)
    told = {"mse": mse.item(), "d_loss": d_loss.item(), "d_gradient_norm": norm(gradients(d, d_loss))}
    of_d.zero_grad()
    d_loss.backward()
    of_d.step()
    g_loss = g_objective(d, fake)
    total = mse + GAN_WEIGHT * g_loss
    told |= {"g_loss": g_loss.item(), "g_gradient_norm": norm(gradients(g, total))}
    of_g.zero_grad()
    total.backward()
    of_g.step()
    return told | {"sampled": g.eval()(small)[:, :, ::5, ::5]}


g, d = filled(Generator(4, 2)), filled(Discriminator(2, 32))
small, large = (1 + wave([3, 3, 8, 8], 0.013)) / 2, wave([3, 3, 32, 32], 0.017)
step = one_step(copy.deepcopy(g), copy.deepcopy(d), small, large)
fake = g(small)
mse = ((large - fake) ** 2).mean()
d_loss, g_loss = d_objective(d, large, fake), g_objective(d, fake)


def stored(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().flatten().tolist()
        value = value if len(value) != 1 else value[0]
    if isinstance(value, dict):
        return {name: stored(v) for name, v in value.items()}
    return [stored(v) for v in value] if isinstance(value, list) else float(f"{value:.8g}")


golden = {
    "fake": fake[:, :, ::5, ::5],
    "sampled": copy.deepcopy(g).eval()(small)[:, :, ::5, ::5],
    "logits": d.logits(large),
    "d_loss": d_loss,
    "d_gradients": gradients(d, d_loss),
    "mse": mse,
    "mse_gradients": gradients(g, mse),
    "g_loss": g_loss,
    "gan_weight": GAN_WEIGHT,
    "g_gradients": gradients(g, mse + GAN_WEIGHT * g_loss),
    "step": step,
}
counts = {"generator_parameters": Generator(), "discriminator_parameters": Discriminator()}
counts = {name: sum(p.numel() for p in net.parameters()) for name, net in counts.items()}
if __name__ == "__main__":
    text = json.dumps(stored(golden) | counts)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
