"""Makes checkpoints.zip and checkpoints.json: small networks in files as people have them, and what PyTorch makes of each network.

A DCGAN of 32 pixels and one channel a layer, and a compact enlarger. Every file holds the same network unless the JSON says so, saved
in another way: within DataParallel, as parameters, in what a training keeps, beside its average, with other names, as a whole
module, in the format from before PyTorch 1.6, and so on. Run by hand with PyTorch and numpy:

    python tests/golden/checkpoints.py
"""

import argparse
import collections
import copy
import io
import json
import pathlib
import struct
import sys
import types
import zipfile

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
SIZES = [8, 4, 2]  # channels after each layer but the last
LATENT = 5


def filled(net, phase=0.0):
    """With numbers that follow from their places."""
    for i, (name, tensor) in enumerate(net.state_dict().items()):
        if tensor.dtype == torch.float32:
            values = torch.sin(0.37 * torch.arange(tensor.numel(), dtype=torch.float64) + i + phase)
            values = (8 * values).round() / 8  # few numbers, so that the files become small
            values = values.abs() + 0.5 if name.endswith("running_var") else values
            tensor.copy_(values.reshape(tensor.shape))
    return net.eval()


class Tutorial(nn.Module):
    """The generator of PyTorch's DCGAN tutorial, smaller."""

    def __init__(self):
        super().__init__()
        layers, inputs = [], LATENT
        for i, outputs in enumerate(SIZES):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, *((1, 0) if i == 0 else (2, 1)), bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(True)]
            inputs = outputs
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(inputs, 3, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, z):
        return self.main(z)


class Renamed(nn.Module):
    """The same network; its author declared all convolutions before all norms."""

    def __init__(self):
        super().__init__()
        for i, (inputs, outputs) in enumerate(zip([LATENT, *SIZES], [*SIZES, 3])):
            setattr(self, f"convTr{i + 1}", nn.ConvTranspose2d(inputs, outputs, 4, bias=False))
        for i, outputs in enumerate(SIZES):
            setattr(self, f"bn{i + 1}", nn.BatchNorm2d(outputs))

    def take(self, tutorial):
        for i in range(4):
            getattr(self, f"convTr{i + 1}").load_state_dict(tutorial.main[3 * i].state_dict())
        for i in range(3):
            getattr(self, f"bn{i + 1}").load_state_dict(tutorial.main[3 * i + 1].state_dict())
        return self


class Biased(nn.Module):
    """Another, whose author left the biases in and declared all norms first."""

    def __init__(self):
        super().__init__()
        for i, outputs in enumerate(SIZES):
            setattr(self, f"norm{i}", nn.BatchNorm2d(outputs))
        for i, (inputs, outputs) in enumerate(zip([LATENT, *SIZES], [*SIZES, 3])):
            setattr(self, f"up{i}", nn.ConvTranspose2d(inputs, outputs, 4, *((1, 0) if i == 0 else (2, 1))))

    def forward(self, z):
        for i in range(len(SIZES)):
            z = torch.relu(getattr(self, f"norm{i}")(getattr(self, f"up{i}")(z)))
        return torch.tanh(self.up3(z))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(3, 1, 4, 2, 1, bias=False), nn.Conv2d(1, 2, 4, 2, 1, bias=False), nn.BatchNorm2d(2))


class Compact(nn.Module):
    """Real-ESRGAN's for small machines, smaller."""

    def __init__(self, width=2, blocks=1):
        super().__init__()
        layers = [nn.Conv2d(3, width, 3, 1, 1), nn.PReLU(width)]
        for _ in range(blocks):
            layers += [nn.Conv2d(width, width, 3, 1, 1), nn.PReLU(width)]
        self.body = nn.ModuleList([*layers, nn.Conv2d(width, 48, 3, 1, 1)])

    def forward(self, x):
        h = x
        for layer in self.body:
            h = layer(h)
        return nn.functional.pixel_shuffle(h, 4) + nn.functional.interpolate(x, scale_factor=4, mode="nearest")


def made_up(module, name):
    """A class of a package that need not be there, for an object in the pickle."""
    made = type(name, (), {"__module__": module})
    for part in [module.rsplit(".", i)[0] for i in range(module.count("."), -1, -1)]:
        sys.modules.setdefault(part, types.ModuleType(part))
    setattr(sys.modules[module], name, made)
    return made


def training(net):
    """What a training keeps beside its network."""
    net = copy.deepcopy(net).train()
    adam = torch.optim.Adam(net.parameters(), lr=2e-4)
    sum(p.sum() for p in net.parameters()).backward()
    adam.step()
    options = made_up("omegaconf.dictconfig", "DictConfig")()
    options._content = {"lr": 0.1, "path": pathlib.PurePosixPath("/data")}
    options._parent = options
    return {
        "epoch": 3,
        "optimizer": adam.state_dict(),
        "scheduler": torch.optim.lr_scheduler.StepLR(adam, 1).state_dict(),
        "args": argparse.Namespace(lr=0.1, betas=(0.5, 0.999), names=["a", {"b": None}], device=torch.device("cpu")),
        "options": options,
        "best": np.float64(1.5),
        "history": np.arange(3.0),
        "counts": collections.defaultdict(list, {1: [2]}),
        "large": 2**100,
        "random": torch.get_rng_state()[:64].clone(),
        "dtype": torch.float32,
        "size": torch.Size([1, 2]),
        "seen": {1, 2},
    }


def saved(value, **how):
    file = io.BytesIO()
    torch.save(value, file, **how)
    return file.getvalue()


def safetensors(tensors):
    header, data = {}, b""
    for name in sorted(tensors):
        if tensors[name].dtype == torch.float32:
            numbers = tensors[name].numpy().tobytes()
            header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [len(data), len(data) + len(numbers)]}
            data += numbers
    header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def files(net, other):
    own = net.state_dict()
    within = lambda prefix, tensors=own: collections.OrderedDict((prefix + name, tensor) for name, tensor in tensors.items())
    kept = training(net)
    whole = {"model": own, **kept}
    found = {
        "plain": saved(own),
        "parallel": saved(nn.DataParallel(net).state_dict()),
        "compiled": saved(within("_orig_mod.")),
        "parameters": saved({n: nn.Parameter(t) if t.is_floating_point() else t for n, t in own.items()}),
        "training": saved(whole),
        "training-old": saved(whole, _use_new_zipfile_serialization=False),
        "training-4": saved(whole, pickle_protocol=4),
        "iterations": saved({"state_dict": within("module."), "iter": 100}),
        "averaged": saved({"params": other.state_dict(), "params_ema": own}),
        "twice": saved({"generator": own, "generator_ema": own}),
        "gan": saved({"epoch": 1, "netG": own, "netD": Critic().state_dict(), "optimizerG": kept["optimizer"]}),
        "lightning": saved({"state_dict": {**within("discriminator.", Critic().state_dict()), **within("generator.")}, "loops": {"a": 1}}),
        "module": saved(net),
        "half": saved({name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in own.items()}),
        "parts": saved((own, {"epoch": 3})),
    }
    return found


def main():
    tutorial, compact = filled(Tutorial()), filled(Compact())
    z = torch.sin(0.7 * torch.arange(1, 2 * LATENT + 1, dtype=torch.float64)).float().reshape(2, LATENT, 1, 1)
    x = torch.sin(0.3 * torch.arange(3 * 4 * 5, dtype=torch.float64)).abs().float().reshape(1, 3, 4, 5)
    archive = {f"dcgan/{name}.pth": content for name, content in files(tutorial, filled(Tutorial(), 1.0)).items()}
    renamed = Renamed().take(tutorial)
    archive["dcgan/renamed.pth"] = saved(renamed.state_dict())
    biased = filled(Biased())
    archive["dcgan/biased.pth"] = saved(biased.state_dict())
    archive["dcgan/renamed.safetensors"] = safetensors(renamed.state_dict())
    archive |= {f"compact/{name}.pth": content for name, content in files(compact, filled(Compact(), 1.0)).items()}
    shadow = {"decay": 0.999, "shadow_params": [p.detach().clone() for p in compact.parameters()]}
    archive["compact/shadow.pth"] = saved({"ema": shadow, "step": 7})
    with zipfile.ZipFile(HERE / "checkpoints.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in sorted(archive):
            file.writestr(zipfile.ZipInfo(name), archive[name], zipfile.ZIP_DEFLATED)
    with torch.no_grad():
        values = {"dcgan": tutorial(z), "biased": biased(z), "compact": compact(x)}
    values = {name: {"every": 29, "values": value.flatten()[::29].tolist()} for name, value in values.items()}
    (HERE / "checkpoints.json").write_text(json.dumps({"torch": torch.__version__} | values) + "\n")


if __name__ == "__main__":
    main()
