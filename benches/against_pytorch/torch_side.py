"""Times one workload's step in PyTorch on request, so that the Rust bench can alternate with it on the same machine.

    python benches/against_pytorch/torch_side.py dcgan --fused --channels-last --freeze

side.py says how it answers. Eager f32 on the CPU. Weights and inputs are functions of an index, which the Rust side
(tensors.rs) has, too; `enlarge` and `photograph` take them from a folder that the Rust bench leaves. Losses are read in
each step, as a trainer does. The environment is left as it comes: unset OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE before you
call it.
"""

import argparse
import math
import sys
from pathlib import Path
from unittest import mock

import torch
from torch import nn
from torch.nn import functional as F

from side import peak_memory_mb, serve

SLOPE = 0.2


def wave(shape, rate, phase, scale):
    """sin(rate·i + phase)·scale over the flat index i: the tensors of the reference case."""
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return (torch.sin(rate * index + phase) * scale).to(torch.get_default_dtype()).reshape(shape)


def noise(shape, key, scale=1.0):
    """As good as N(0, scale²): the hash that shaders use for uniform numbers, through Box and Muller's formula."""

    def piece(indices):
        angle = 12.9898 * indices.double() + 78.233 * key
        u, v = ((torch.sin(a) * 43758.5453).remainder(1.0) for a in (angle, angle + 1.0))
        return (torch.sqrt(-2.0 * torch.log(1.0 - u)) * torch.cos(2.0 * math.pi * v) * scale).to(torch.get_default_dtype())

    # In pieces, or what it computes in f64 would be the process's peak memory.
    return torch.cat([piece(indices) for indices in torch.arange(math.prod(shape)).split(65_536)]).reshape(shape)


def laid_out(thing, options):
    """A module or a 4-D tensor in the memory layout asked for."""
    return thing.to(memory_format=torch.channels_last) if options.channels_last else thing


def adam(net, options):
    return torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=options.fused)


def gradient_norm(net):
    return math.sqrt(sum(parameter.grad.square().sum().item() for parameter in net.parameters()))


class Mlp:
    """The step of the `mnist` recipe: D on real and fake in one batch of 256, then G through D, dropout and all."""

    BATCH = 128

    def __init__(self, options):
        self.options = options
        self.g = nn.Sequential(
            nn.Linear(100, 256), nn.LeakyReLU(SLOPE),
            nn.Linear(256, 512), nn.LeakyReLU(SLOPE),
            nn.Linear(512, 1024), nn.LeakyReLU(SLOPE),
            nn.Linear(1024, 784), nn.Sigmoid(),
        )  # fmt: skip
        self.d = nn.Sequential(
            nn.Linear(784, 1024), nn.LeakyReLU(SLOPE), nn.Dropout(0.3),
            nn.Linear(1024, 512), nn.LeakyReLU(SLOPE), nn.Dropout(0.3),
            nn.Linear(512, 256), nn.LeakyReLU(SLOPE), nn.Dropout(0.3),
            nn.Linear(256, 1),
        )  # fmt: skip
        self.adam_g, self.adam_d = adam(self.g, options), adam(self.d, options)
        self.real = torch.rand(self.BATCH, 784)  # the same each step, so that loading data counts for nothing
        self.d_targets = torch.cat([torch.full((self.BATCH, 1), 0.9), torch.zeros(self.BATCH, 1)])
        self.g_targets = torch.ones(self.BATCH, 1)

    def numbers(self):
        return {}  # src/recipes/mnist.rs holds the recipe against PyTorch, weight by weight

    def step(self):
        with torch.no_grad():
            fake = self.g(torch.randn(self.BATCH, 100))
        self.adam_d.zero_grad()
        d_loss = F.binary_cross_entropy_with_logits(self.d(torch.cat([self.real, fake])), self.d_targets)
        d_loss.backward()
        self.adam_d.step()

        if self.options.freeze:
            self.d.requires_grad_(False)  # saves D's weight gradients, which G's step has no use for
        self.adam_g.zero_grad()
        g_loss = F.binary_cross_entropy_with_logits(self.d(self.g(torch.randn(self.BATCH, 100))), self.g_targets)
        g_loss.backward()
        self.adam_g.step()
        self.d.requires_grad_(True)
        return d_loss.item(), g_loss.item()


class Dcgan:
    """Radford et al. 2016 at 64x64: D on real and on fake, each with its own batch statistics, then G."""

    BATCH = 64
    WIDTHS = (512, 256, 128, 64)

    def __init__(self, options):
        self.options = options
        self.targets = torch.ones(self.BATCH, 1), torch.zeros(self.BATCH, 1)
        self.real = laid_out(noise((self.BATCH, 3, 64, 64), 90, 0.5), options)
        g, width = [], 100
        for i, wider in enumerate(self.WIDTHS):
            way = dict(stride=2, padding=1) if i else dict(stride=1, padding=0)
            g += [nn.ConvTranspose2d(width, wider, 4, bias=False, **way), nn.BatchNorm2d(wider), nn.ReLU(inplace=True)]
            width = wider
        g += [nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1, bias=False), nn.Tanh()]

        d, width = [], 3
        for i, wider in enumerate(reversed(self.WIDTHS)):
            norm = [nn.BatchNorm2d(wider)] if i else []
            d += [nn.Conv2d(width, wider, 4, stride=2, padding=1, bias=False), *norm, nn.LeakyReLU(SLOPE, inplace=True)]
            width = wider
        d += [nn.Conv2d(width, 1, 4, bias=False), nn.Flatten()]

        convs = (module for module in g + d if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)))
        with torch.no_grad():
            for key, conv in enumerate(convs):
                conv.weight.copy_(noise(conv.weight.shape, key, 0.02))
        self.g, self.d = (laid_out(nn.Sequential(*net), options) for net in (g, d))
        self.adam_g, self.adam_d = adam(self.g, options), adam(self.d, options)

    def d_step(self, z):
        one, zero = self.targets
        with torch.no_grad():
            fake = self.g(z)
        self.adam_d.zero_grad()
        on_real = F.binary_cross_entropy_with_logits(self.d(self.real), one)
        on_real.backward()  # at once, so that the first graph is gone before the second is made
        on_fake = F.binary_cross_entropy_with_logits(self.d(fake), zero)
        on_fake.backward()
        self.adam_d.step()
        return on_real + on_fake

    def g_step(self, z):
        if self.options.freeze:
            self.d.requires_grad_(False)
        self.adam_g.zero_grad()
        loss = F.binary_cross_entropy_with_logits(self.d(self.g(z)), self.targets[0])
        loss.backward()
        self.adam_g.step()
        self.d.requires_grad_(True)
        return loss

    def numbers(self):
        """Of the first step."""
        d_loss = self.d_step(noise((self.BATCH, 100, 1, 1), 91)).item()
        d_norm = gradient_norm(self.d)
        g_loss = self.g_step(noise((self.BATCH, 100, 1, 1), 92)).item()
        return {"d_loss": d_loss, "|d_gradient|": d_norm, "g_loss": g_loss, "|g_gradient|": gradient_norm(self.g)}

    def step(self):
        z = [torch.randn(self.BATCH, 100, 1, 1) for _ in range(2)]
        return self.d_step(z[0]).item(), self.g_step(z[1]).item()


class R1:
    """A critic's loss with the R1 penalty (Mescheder et al. 2018) and its gradient, by double backward."""

    BATCH = 32

    def __init__(self, options):
        self.options = options
        self.x = laid_out(wave((self.BATCH, 3, 32, 32), 0.013, 0.0, 1.0), options).requires_grad_(True)
        self.build(1.0)

    def build(self, s):
        convs = [nn.Conv2d(64 if i else 3, 64, 3, padding=1) for i in range(4)]
        self.layers = nn.ModuleList([*convs, nn.Linear(1024, 1)])
        with torch.no_grad():
            for i, layer in enumerate(self.layers):
                layer.weight.copy_(wave(layer.weight.shape, 0.37, 0.11 * i, 0.05 * s))
                layer.bias.zero_()
        laid_out(self.layers, self.options)

    def losses(self):
        h = self.x
        for i, conv in enumerate(self.layers[:4]):
            h = F.leaky_relu(conv(h), SLOPE)
            h = F.avg_pool2d(h, 2) if i else h
        scores = self.layers[4](h.flatten(1))
        (gradient,) = torch.autograd.grad(scores.sum(), self.x, create_graph=True)
        return F.softplus(-scores).mean(), 5 * gradient.square().sum((1, 2, 3)).mean()

    def numbers(self):
        found = {}
        for s in (1, 6):
            self.build(s)
            weights = [layer.weight for layer in self.layers]
            adversarial, penalty = self.losses()
            found |= {f"s={s} adv": adversarial.item(), f"s={s} R1": penalty.item()}
            for name, loss in (("R1", penalty), ("(adv+R1)", adversarial + penalty)):
                for i, gradient in enumerate(torch.autograd.grad(loss, weights, retain_graph=True)):
                    found[f"s={s} |d{name}/dW{i}|"] = gradient.norm().item()
        self.build(1.0)
        return found

    def step(self):
        self.layers.zero_grad()
        adversarial, penalty = self.losses()
        loss = adversarial + penalty
        loss.backward(inputs=list(self.layers.parameters()))
        return loss.item()


class Rrdb:
    """The generator of ESRGAN (Wang et al. 2018), x4, on one tile, without gradients."""

    def __init__(self, options):
        self.build()
        self.x = laid_out(noise((1, 3, 64, 64), 999), options)
        with torch.no_grad():
            for i, conv in enumerate(self.convs):
                conv.weight.copy_(noise(conv.weight.shape, 2 * i, 1 / math.sqrt(9 * conv.in_channels)))
                conv.bias.copy_(noise(conv.bias.shape, 2 * i + 1, 0.1))
        laid_out(self.convs, options)

    def build(self):
        """The convolutions, in the order in which a picture goes through them."""
        self.convs = nn.ModuleList()
        self.first = self.conv(3, 64)
        self.blocks = [[self.dense() for _ in range(3)] for _ in range(23)]
        self.body = self.conv(64, 64)
        self.after = [self.conv(64, 64) for _ in range(3)]
        self.last = self.conv(64, 3)

    def conv(self, inputs, outputs):
        conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.convs.append(conv)
        return conv

    def dense(self):
        return [self.conv(64 + 32 * i, 32 if i < 4 else 64) for i in range(5)]

    def forward(self, x):
        first = self.first(x)
        h = first
        for block in self.blocks:
            inner = h
            for *growing, last in block:
                seen = [inner]
                for conv in growing:
                    seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), SLOPE, inplace=True))
                inner = last(torch.cat(seen, 1)) * 0.2 + inner
            h = inner * 0.2 + h
        h = first + self.body(h)
        for i, conv in enumerate(self.after):
            h = F.interpolate(h, scale_factor=2, mode="nearest") if i < 2 else h
            h = F.leaky_relu(conv(h), SLOPE, inplace=True)
        return self.last(h)

    def numbers(self):
        with torch.inference_mode():
            y = self.forward(self.x).double()
        return {"sum": y.sum().item(), "norm": y.norm().item()}

    def step(self):
        with torch.inference_mode():
            return self.forward(self.x)


class Enlarger(Rrdb):
    """The same network with the weights published for ncnn. Levels [h, w, 3] to [4h, 4w, 3]."""

    def __init__(self, options):
        self.options = options
        self.build()
        self.load(Path(options.folder) / "realesrgan-x4plus.bin")
        laid_out(self.convs, options)

    @torch.no_grad()
    def load(self, path):
        """ncnn's file: of each convolution a word that says f16, the weight, padded to 4 bytes, and the bias in f32."""
        numbers, at = bytearray(path.read_bytes()), 0
        for conv in self.convs:
            count, outputs = conv.weight.numel(), conv.out_channels
            assert numbers[at : at + 4] == (0x01306B47).to_bytes(4, "little"), f"{path} holds no f16 at {at}"
            weight = torch.frombuffer(numbers, dtype=torch.float16, count=count, offset=at + 4)
            at += 4 + -(-2 * count // 4) * 4
            bias = torch.frombuffer(numbers, dtype=torch.float32, count=outputs, offset=at)
            at += 4 * outputs
            conv.weight.copy_(weight.reshape(conv.weight.shape))
            conv.bias.copy_(bias)
        assert at == len(numbers), f"{path} goes on after the last layer"

    def __call__(self, levels):
        with torch.inference_mode():
            x = torch.from_numpy(levels).permute(2, 0, 1)[None] / 255
            y = self.forward(laid_out(x.contiguous(), self.options))
            return y[0].permute(1, 2, 0).mul_(255).round_().clamp_(0, 255).byte().contiguous().numpy()


def enlarge(options):
    from pictures import Enlarge  # wants Pillow, as no other workload does

    return Enlarge(Enlarger(options), options.folder)


def photograph(options):
    from pictures import Photograph

    return Photograph(Enlarger(options), options.folder)


class Modulated:
    """StyleGAN2's modulated convolution with demodulation (Karras et al. 2020), forwards and backwards."""

    BATCH, CHANNELS, SIDE = 16, 128, 32

    def __init__(self, options):
        n, c, side = self.BATCH, self.CHANNELS, self.SIDE
        self.form = {"grouped": self.grouped, "scaled": self.scaled}[options.form]
        self.x = laid_out(noise((n, c, side, side), 0), options).requires_grad_(True)
        self.style = (1 + noise((n, c), 1, 0.3)).requires_grad_(True)
        self.weight = noise((c, c, 3, 3), 2, 1 / math.sqrt(9 * c)).requires_grad_(True)
        self.gradient = laid_out(noise((n, c, side, side), 3), options)

    def grouped(self):
        """Equations 1 and 3 on one weight for each sample, the batch as groups."""
        n, c, side = self.BATCH, self.CHANNELS, self.SIDE
        weight = self.weight[None] * self.style[:, None, :, None, None]
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        x = self.x.reshape(1, n * c, side, side)
        return F.conv2d(x, weight.reshape(n * c, c, 3, 3), padding=1, groups=n).reshape(n, c, side, side)

    def scaled(self):
        """The same with one weight: the style scales the input, the demodulation the output."""
        demodulation = (self.style.square() @ self.weight.square().sum((2, 3)).T + 1e-8).rsqrt()
        return F.conv2d(self.x * self.style[:, :, None, None], self.weight, padding=1) * demodulation[:, :, None, None]

    def both_ways(self):
        y = self.form()
        return y, torch.autograd.grad(y, (self.x, self.style, self.weight), self.gradient)

    def numbers(self):
        y, gradients = self.both_ways()
        found = {"|y|": y.norm().item()}
        return found | {f"|d{name}|": g.norm().item() for name, g in zip(("x", "style", "weight"), gradients)}

    def step(self):
        return self.both_ways()


class Product:
    """A matrix product, for what the machine can do at most."""

    SIDE = 2048

    def __init__(self, options):
        self.a, self.b = (noise((self.SIDE, self.SIDE), key) for key in range(2))

    def numbers(self):
        return {"norm": torch.mm(self.a, self.b).double().norm().item()}

    def step(self):
        return torch.mm(self.a, self.b)


class Frechet:
    """torch-fidelity's metric code on given features, which computes in numpy."""

    SHAPE = (10_000, 2048)

    def __init__(self, options):
        for name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional"):
            sys.modules[name] = mock.MagicMock()  # imported by torch-fidelity, and not used here
        from torch_fidelity import metric_fid

        self.fid = metric_fid
        self.sides = [noise(self.SHAPE, key, 1.0 + key / 4.0) for key in range(2)]

    def numbers(self):
        return {"distance": self.step()}

    def step(self):
        statistics = [self.fid.fid_features_to_statistics(side) for side in self.sides]
        return self.fid.fid_statistics_to_metric(*statistics, verbose=False)[self.fid.KEY_METRIC_FID]


WORKLOADS = {kind.__name__.lower(): kind for kind in (Mlp, Dcgan, R1, Rrdb, Modulated, Product, Frechet)}
WORKLOADS |= {"enlarge": enlarge, "photograph": photograph}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fused", action="store_true", help="torch.optim.Adam(fused=True)")
    parser.add_argument("--freeze", action="store_true", help="D's parameters want no gradient in G's step")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--form", choices=("grouped", "scaled"), default="scaled", help="of modulated convolution")
    parser.add_argument("--folder", help="of the published network and the pictures that are to be enlarged")
    parser.add_argument("--double", action="store_true", help="f64: how the golden numbers of r1 were made")
    options = parser.parse_args()
    torch.set_default_dtype(torch.float64 if options.double else torch.float32)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    start_memory_mb = peak_memory_mb()
    workload = WORKLOADS[options.workload](options)
    serve(f"torch {torch.__version__}", workload, start_memory_mb)


if __name__ == "__main__":
    main()
