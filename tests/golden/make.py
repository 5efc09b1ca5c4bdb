"""Makes tests/golden/mnist.json: what PyTorch says the MNIST MLP GAN computes, for the Rust tests to meet.

It fixes both parameter counts, one forward pass, both losses of the discriminator's and the generator's step, R1 and
the gradients of all of them, three whole steps with Adam, the seed's objective written out in numpy, BCE at extreme
logits, the Glorot bounds, and ten steps of Adam on five numbers. Nothing is drawn at random (the one Xavier draw is
only checked against its bound, never stored): weights, batches and dropout masks come from the formulas below, so the
other side needs no weight file.

    G  100-256-512-1024-784   leaky ReLU 0.2 after each hidden layer, sigmoid out
    D  784-1024-512-256-1     leaky ReLU 0.2, then dropout 0.3, after each hidden layer, logits out

    weight [in, out], flat index i   (hash / 2^31 - 1) sqrt(6 / (in + out)), the integer hash below, s = 2 for G, 3 for D
    bias j                           0.01 sin(0.2 j + layer + phase)    phase 0 for G, 0.5 for D
    real [8, 784] at step k          0.5 + 0.5 sin(0.013 i + k)
    z_d [8, 100], for D's step       1.5 sin(0.7 i + 0.3 + k)
    z_g [8, 100], for G's step       1.5 sin(0.9 i + 1.1 + k)
    dropout, hidden layer l          kept where Ganvas' own hash of (i, key) >= floor(0.3 2^32), the same at every step k;
                                     key 2^33 + l in D's step (rows: real, then fake), 2^34 + l in G's; scaled by 1 / 0.7

All of it is float64. A tensor is stored as a fingerprint: its L2 norm, its dot products with
p_k[i] = sin((k + 1) 0.618 i + k) for k = 0, 1, 2, and its first four values; weights are flat in [in, out] order.

Made with Python 3.11.7, torch 2.15.0, numpy 2.4.6, on CPU. Run by hand, from anywhere:

    python tests/golden/make.py

It also prints how near torch's own float32 comes to these numbers. BCE at extreme logits carries torch's own
cancellation: compare it with an absolute tolerance of 1e-12.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

GENERATOR = [100, 256, 512, 1024, 784]
DISCRIMINATOR = [784, 1024, 512, 256, 1]
G_PHASE, D_PHASE = 0.0, 0.5
BATCH = 8
STEPS = 3
KEEP_FROM = 1288490188  # floor(0.3 * 2^32)
D_STEP, G_STEP = 1 << 33, 1 << 34  # the dropout's key
G_WEIGHTS, D_WEIGHTS = 2, 3  # the weights' s


# ---- formulas


def glorot_bound(fan_in, fan_out):
    return math.sqrt(6.0 / (fan_in + fan_out))


def wave(shape, rate, offset):
    i = np.arange(math.prod(shape), dtype=np.float64)
    return np.sin(rate * i + offset).reshape(shape)


def hashed(rows, width, layer, s):
    """An integer below 2^32 for each place of [rows, width]. All arithmetic is modulo 2^32."""
    low = np.uint64(0xFFFFFFFF)
    i = np.arange(rows * width, dtype=np.uint64)
    h = (i * np.uint64(2654435761) + np.uint64(layer * 40503 + s * 97 + 12345)) & low
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & low
    h ^= h >> np.uint64(13)
    return h.reshape(rows, width)


def keep(rows, width, layer, key, keep_from=KEEP_FROM):
    """The dropout mask of hidden layer `layer`: true where a unit stays. Murmur3's finaliser, then lowbias32."""
    low = np.uint64(0xFFFFFFFF)

    def times(h, factor):
        return (h * np.uint64(factor)) & low

    def shifted(h, by):
        return h ^ (h >> np.uint64(by))

    key += layer
    h = times(np.arange(rows * width, dtype=np.uint64), 0x9E3779B1) ^ np.uint64(key & 0xFFFFFFFF)
    h = times(shifted(h, 16), 0x85EBCA6B)
    h = times(shifted(h, 13), 0xC2B2AE35) ^ np.uint64(key >> 32)
    h = times(shifted(h, 16), 0x7FEB352D)
    h = times(shifted(h, 15), 0x846CA68B)
    return (shifted(h, 16) >= np.uint64(keep_from)).reshape(rows, width)


def real_images(k, dtype):
    return torch.tensor(0.5 + 0.5 * wave((BATCH, 784), 0.013, k), dtype=dtype)


def z_d(k, dtype):
    return torch.tensor(1.5 * wave((BATCH, 100), 0.7, 0.3 + k), dtype=dtype)


def z_g(k, dtype):
    return torch.tensor(1.5 * wave((BATCH, 100), 0.9, 1.1 + k), dtype=dtype)


# ---- nets


class Mlp(torch.nn.Module):
    """Linear layers with leaky ReLU 0.2 between them; torch holds each weight as [out, in]."""

    def __init__(self, widths, phase, s, dtype):
        super().__init__()
        self.layers = torch.nn.ModuleList()
        for layer, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
            weight = (hashed(fan_in, fan_out, layer, s) / 2.0**31 - 1.0) * glorot_bound(fan_in, fan_out)
            bias = 0.01 * wave((fan_out,), 0.2, layer + phase)
            linear = torch.nn.Linear(fan_in, fan_out, dtype=dtype)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight.T.copy()))
                linear.bias.copy_(torch.from_numpy(bias))
            self.layers.append(linear)

    def forward(self, x, dropout_key=None):
        last = len(self.layers) - 1
        for layer, linear in enumerate(self.layers):
            x = linear(x)
            if layer == last:
                return x
            x = F.leaky_relu(x, 0.2)
            if dropout_key is not None:
                x = x * torch.from_numpy(keep(*x.shape, layer, dropout_key)).to(x.dtype) * (1.0 / 0.7)


class Generator(Mlp):
    def forward(self, z):
        return torch.sigmoid(super().forward(z))


def nets(dtype):
    return Generator(GENERATOR, G_PHASE, G_WEIGHTS, dtype), Mlp(DISCRIMINATOR, D_PHASE, D_WEIGHTS, dtype)


# ---- losses


def d_step_batch(g, k, dtype):
    """Real rows, then fake rows, and their targets: 0.9 for real, 0 for fake."""
    with torch.no_grad():
        fake = g(z_d(k, dtype))
    targets = torch.tensor([[0.9]] * BATCH + [[0.0]] * BATCH, dtype=dtype)
    return torch.cat([real_images(k, dtype), fake]), targets


def d_loss(g, d, k, dtype):
    x, targets = d_step_batch(g, k, dtype)
    return F.binary_cross_entropy_with_logits(d(x, D_STEP), targets)


def r1(d, dtype):
    """gamma / 2 E |grad D|^2 on the real pictures, without dropout, with gamma = 3."""
    x = real_images(0, dtype).requires_grad_()
    (gradient,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
    return 1.5 * gradient.square().sum(1).mean()


def g_loss_non_saturating(g, d, k, dtype):
    logits = d(g(z_g(k, dtype)), G_STEP)
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def g_loss_minimax(g, d, k, dtype):
    logits = d(g(z_g(k, dtype)), G_STEP)
    return F.logsigmoid(-logits).mean()  # log(1 - sigmoid(l)) = logsigmoid(-l)


# ---- fingerprints


def probe(k, n):
    return np.sin((k + 1) * 0.618 * np.arange(n, dtype=np.float64) + k)


def fingerprint(tensor):
    flat = tensor.detach().to(torch.float64).numpy().ravel()
    return {
        "norm": float(np.linalg.norm(flat)),
        "probes": [float(flat @ probe(k, flat.size)) for k in range(3)],
        "first": [float(v) for v in flat[:4]],
    }


def in_out(name, tensor):
    return tensor.t() if name.endswith("weight") else tensor


def parameter_fingerprints(net):
    return {name: fingerprint(in_out(name, p)) for name, p in net.named_parameters()}


def gradient_fingerprints(loss, net):
    names, parameters = zip(*net.named_parameters())
    gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)  # R1 does not see the last bias
    return {name: fingerprint(in_out(name, g)) for name, g in zip(names, gradients)}


# ---- sections of the file


def inputs():
    """So that a test which fails can say first whether the two sides fed the nets the same numbers."""
    dtype = torch.float64
    masks = {}
    for name, s, rows in [("d_step", D_STEP, 2 * BATCH), ("g_step", G_STEP, BATCH)]:
        kept = [keep(rows, width, layer, s) for layer, width in enumerate(DISCRIMINATOR[1:-1])]
        masks[name] = {
            "kept": [int(m.sum()) for m in kept],
            "first": ["".join("01"[int(v)] for v in m.ravel()[:32]) for m in kept],
        }
    return {
        "real": fingerprint(real_images(0, dtype)),
        "z_d": fingerprint(z_d(0, dtype)),
        "z_g": fingerprint(z_g(0, dtype)),
        "masks": masks,
    }


def forward(dtype):
    g, d = nets(dtype)
    x, _ = d_step_batch(g, 0, dtype)
    return {
        "generator": fingerprint(g(z_d(0, dtype))),
        "discriminator_real": fingerprint(d(real_images(0, dtype))),
        "discriminator_dropout": fingerprint(d(x, D_STEP)),
    }


def losses_and_gradients(dtype):
    g, d = nets(dtype)
    loss_d = d_loss(g, d, 0, dtype)
    loss_non_saturating = g_loss_non_saturating(g, d, 0, dtype)
    loss_minimax = g_loss_minimax(g, d, 0, dtype)
    loss_r1 = r1(d, dtype)
    return {
        "d_loss": loss_d.item(),
        "g_loss_non_saturating": loss_non_saturating.item(),
        "g_loss_minimax": loss_minimax.item(),
        "r1": loss_r1.item(),
        "d_gradients": gradient_fingerprints(loss_d, d),
        "r1_gradients": gradient_fingerprints(loss_r1, d),
        "g_gradients_non_saturating": gradient_fingerprints(loss_non_saturating, g),
        "g_gradients_minimax": gradient_fingerprints(loss_minimax, g),
    }


def after_three_steps(dtype):
    g, d = nets(dtype)
    before_g, before_d = nets(dtype)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), eps=1e-8) for net in (g, d))
    d_losses, g_losses = [], []
    for k in range(STEPS):
        loss = d_loss(g, d, k, dtype)
        adam_d.zero_grad()
        loss.backward()
        adam_d.step()
        d_losses.append(loss.item())

        loss = g_loss_non_saturating(g, d, k, dtype)  # through the D just updated
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
        g_losses.append(loss.item())

    result = {"d_losses": d_losses, "g_losses": g_losses}
    for name, net in [("generator", g), ("discriminator", d)]:
        result[name] = parameter_fingerprints(net)
    # A weight moves by about 1 % of itself in three steps, so its change is fingerprinted alone, or Adam could hide.
    with torch.no_grad():
        for name, net, before in [("generator_change", g, before_g), ("discriminator_change", d, before_d)]:
            for p, q in zip(before.parameters(), net.parameters()):
                p.copy_(q - p)
            result[name] = parameter_fingerprints(before)
    return result


def seed_formulas():
    real, fake = np.array([0.9, 0.6, 0.3, 0.99]), np.array([0.1, 0.4, 0.7, 0.01])
    extreme, targets = [-200.0, -30.0, 0.0, 30.0, 200.0], [0.0, 0.9, 1.0]
    values, gradients = [], []
    for target in targets:
        logits = torch.tensor(extreme, dtype=torch.float64, requires_grad=True)
        each = torch.nn.BCEWithLogitsLoss(reduction="none")(logits, torch.full_like(logits, target))
        (gradient,) = torch.autograd.grad(each.sum(), logits)
        values.append(each.tolist())
        gradients.append(gradient.tolist())
    return {
        "d_real": real.tolist(),
        "d_fake": fake.tolist(),
        "logits_real": np.log(real / (1 - real)).tolist(),
        "logits_fake": np.log(fake / (1 - fake)).tolist(),
        "discriminator_objective": float(np.log(real).mean() + np.log(1 - fake).mean()),
        "generator_objective": float(np.log(1 - fake).mean()),
        "bce": {"logits": extreme, "targets": targets, "values": values, "gradients": gradients},
    }


def glorot():
    torch.manual_seed(0)
    shapes = []
    for net, widths in [("generator", GENERATOR), ("discriminator", DISCRIMINATOR)]:
        for a, b in zip(widths, widths[1:]):
            weight = torch.empty(b, a, dtype=torch.float64)
            fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(weight)
            bound = glorot_bound(fan_in, fan_out)
            torch.nn.init.xavier_uniform_(weight)
            largest, std = weight.abs().max().item(), weight.std().item()
            assert largest <= bound, (net, a, b, largest, bound)
            spread = 4 / math.sqrt(weight.numel())  # four standard errors, generously
            assert abs(std * math.sqrt(3) / bound - 1) < spread, (net, a, b, std, bound)
            shapes.append({"net": net, "in": fan_in, "out": fan_out, "bound": bound, "std": bound / math.sqrt(3)})
    return shapes


def adam():
    p = torch.tensor([0.1, -0.2, 0.3, -0.4, 0.5], dtype=torch.float64, requires_grad=True)
    start = p.tolist()
    optimiser = torch.optim.Adam([p], lr=0.01, betas=(0.5, 0.999), eps=1e-8)
    values = {}
    for t in range(1, 11):
        p.grad = torch.tensor(np.sin(t * np.array([1.0, 2.0, 3.0, 4.0, 5.0])))
        optimiser.step()
        values[t] = p.tolist()
    return {"start": start, "after_1": values[1], "after_10": values[10]}


def dtype_sections(dtype):
    return {"forward": forward(dtype), **losses_and_gradients(dtype), "after_three_steps": after_three_steps(dtype)}


# ---- how near float32 comes


def compare(exact, single, path, sizes, found):
    """Collects (section, parameter path, kind, error) for every number; errors are relative, as the tests take them."""
    if isinstance(exact, dict) and "probes" in exact:
        norm, n = exact["norm"], sizes(path)
        if norm == 0:  # of the last bias, which R1 does not see
            return
        found.append((path, "norm", abs(exact["norm"] - single["norm"]) / norm))
        for k, (a, b) in enumerate(zip(exact["probes"], single["probes"])):
            size = np.linalg.norm(probe(k, n))
            if size > 0:  # p_0 of a single value is sin(0)
                found.append((path, "probe", abs(a - b) / (norm * size)))
        for a, b in zip(exact["first"], single["first"]):
            found.append((path, "first", abs(a - b) / (norm / math.sqrt(n))))
    elif isinstance(exact, dict):
        for key in exact:
            compare(exact[key], single[key], path + [key], sizes, found)
    elif isinstance(exact, list):
        for a, b in zip(exact, single):
            compare(a, b, path, sizes, found)
    else:
        found.append((path, "loss", abs(exact - single) / abs(exact)))


def size_of(path):
    """How many values the tensor at this path has; a path is its keys, from the top of the file."""
    if path[0] == "forward":
        return {"generator": BATCH * 784, "discriminator_real": BATCH, "discriminator_dropout": 2 * BATCH}[path[1]]
    is_generator = path[0].startswith("g_") or (len(path) > 2 and path[1].startswith("generator"))
    widths = GENERATOR if is_generator else DISCRIMINATOR
    _, layer, kind = path[-1].split(".")
    a, b = widths[int(layer)], widths[int(layer) + 1]
    return a * b if kind == "weight" else b


def print_float32_errors(exact):
    found = []
    compare(exact, dtype_sections(torch.float32), [], size_of, found)
    print("float32 against float64, worst relative error (probe: over |tensor| |probe|; first: over the tensor's rms)")
    worst = {}
    for path, kind, error in found:
        section = ".".join(path[: 2 if path[0] in ("forward", "after_three_steps") else 1])
        if error >= worst.get((section, kind), (-1.0, None))[0]:
            worst[section, kind] = (error, path[-1])
    for (section, kind), (error, where) in worst.items():
        print(f"  {section:46} {kind:6} {error:.1e}  at {where}")


def main():
    torch.set_num_threads(1)
    g, d = nets(torch.float64)
    exact = dtype_sections(torch.float64)
    golden = {
        "made_by": f"tests/golden/make.py, torch {torch.__version__}, numpy {np.__version__}",
        "generator_parameters": sum(p.numel() for p in g.parameters()),
        "discriminator_parameters": sum(p.numel() for p in d.parameters()),
        "inputs": inputs(),
        **exact,
        "seed_formulas": seed_formulas(),
        "glorot": glorot(),
        "adam": adam(),
    }
    path = Path(__file__).with_name("mnist.json")
    path.write_text(json.dumps(golden, indent=1, allow_nan=False) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, Python {sys.version.split()[0]}, {golden['made_by']}")
    print_float32_errors(exact)


if __name__ == "__main__":
    main()
