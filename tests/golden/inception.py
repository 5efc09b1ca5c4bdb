"""Makes tests/golden/inception.json: what torch-fidelity's Inception network makes of two pictures, for a Rust test.

The weights are not the published ones but made by a formula, so that the test can make them, too:

    u(name, i)    the top 24 bits, over 2^24, of splitmix64 in state FNV-1a(name), (i + 1) steps on     in [0, 1)
    x.weight      (2 u - 1) sqrt(6 / inputs of an output) for convolutions; (2 u - 1) sqrt(3 / 2048) for fc.weight
    bn            weight 0.8 + 0.4 u; bias and running_mean 0.2 u - 0.1; running_var 0.5 + u; all rounded to float32

Pictures [h, w, c] have the levels floor(256 u(name, i)): one of 20 x 24 in colour, one of 28 x 28 in grey. For each the
file has the first numbers, the sum and the root of the mean square of what leaves every block, of the 2048 features and
of the 1008 logits without bias, in float64. Of these two and of one of 310 x 320 it has the same after the bilinear
filter, less 128 and over 128, in float32 as torch-fidelity uses it, and their product with 2 u("along", i) - 1.

Made with Python 3.11.7, PyTorch 2.15.0 and torch-fidelity 0.4.0, of which torchvision is not needed:

    python tests/golden/inception.py [FOLDER]     also writes the weights to FOLDER, as PyTorch and safetensors files
"""

import json
import math
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import torch


class Any(type):
    """A class that has every name."""

    def __getattr__(cls, name):
        return Any(name, (), {})


class Stub(types.ModuleType):
    """torchvision, which is imported and not used."""

    __path__ = []

    def __getattr__(self, name):
        return sys.modules.get(f"{self.__name__}.{name}") or Any(name, (), {})


for name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional"):
    sys.modules[name] = Stub(name)

from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: E402
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x  # noqa: E402


def u(name, count):
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / 2**24


def made(name, shape):
    v = u(name, math.prod(shape))
    if name.endswith("conv.weight"):
        v = (2 * v - 1) * math.sqrt(6 / math.prod(shape[1:]))
    elif name == "fc.weight":
        v = (2 * v - 1) * math.sqrt(3 / 2048)
    elif name.endswith("bn.weight"):
        v = 0.8 + 0.4 * v
    elif name.endswith("running_var"):
        v = 0.5 + v
    else:
        v = 0.2 * v - 0.1
    return torch.from_numpy(v.astype(np.float32).reshape(shape))


def picture(name, shape):
    """[1, 3, h, w] of bytes."""
    levels = np.floor(256 * u(name, math.prod(shape))).astype(np.uint8).reshape(shape)
    levels = np.broadcast_to(levels, (*shape[:2], 3))
    return torch.from_numpy(levels.transpose(2, 0, 1).copy())[None]


def told(x):
    x = x.double().flatten()
    return {"first": x[:3].tolist(), "sum": float(x.sum()), "rms": float((x * x).mean().sqrt())}


def network():
    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None):
        with mock.patch("torch.load", lambda *a, **k: {}):
            net = FeatureExtractorInceptionV3("", ["2048", "logits_unbiased"], "")
    net.double().feature_extractor_internal_dtype = torch.float64  # its argument "float64" means float32
    state = net.state_dict()
    weights = {n: made(n, tuple(t.shape)) for n, t in state.items() if not n.endswith("num_batches_tracked")}
    torch.nn.Module.load_state_dict(net, weights, strict=False)
    return net


def save(net, folder):
    from safetensors.torch import save_file

    folder = Path(folder)
    state = net.float().state_dict()
    torch.save(state, folder / "new.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file({n: t.contiguous() for n, t in state.items()}, folder / "weights.safetensors")


def main():
    net = network()
    layers = {}
    for name, module in net.named_children():
        if name == "MaxPool_2" or name.startswith("Mixed"):
            key = "" if name == "MaxPool_2" else f"{name}."
            module.register_forward_hook(lambda _module, _inputs, x, key=key: layers.__setitem__(key, x))
    found = {"pictures": [], "resized": []}
    for name, shape in (("colour", (20, 24, 3)), ("grey", (28, 28, 1))):
        features, logits = net(picture(name, shape))
        blocks = {key: told(x) for key, x in layers.items()}
        ends = {"features": told(features), "logits": told(logits)}
        found["pictures"].append({"name": name, "shape": shape, "blocks": blocks, **ends})
    for name, shape in (("colour", (20, 24, 3)), ("grey", (28, 28, 1)), ("large", (310, 320, 3))):
        x = picture(name, shape).float()
        x = (interpolate_bilinear_2d_like_tensorflow1x(x, size=(299, 299), align_corners=False) - 128) / 128
        along = float((x.double().flatten() * torch.from_numpy(2 * u("along", x.numel()) - 1)).sum())
        found["resized"].append({"name": name, "shape": shape, **told(x), "along": along})
    Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")
    if len(sys.argv) > 1:
        save(net, sys.argv[1])


torch.set_grad_enabled(False)
if __name__ == "__main__":
    main()
