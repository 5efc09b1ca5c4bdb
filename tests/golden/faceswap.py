"""Makes tests/golden/faceswap.json: small networks and losses of faceswap-GAN, three steps of both players, and a warp.

Written from the description of shaoanlu's faceswap-GAN v2.2 with PyTorch's own modules; the warp with numpy. Two sizes: `large` has 128
pixels, norms, attention at up to 32 pixels, and a face that is drawn once more at half the side; `small` has 16 pixels, no norms,
attention everywhere, and alpha pushed up to 0.5. 3 faces, two of the first of two persons and one of the second.

    encoder   5x5; 3x3 with stride 2 to twice the channels, at most 16 times those of the first, each with ReLU and, but for the first, a
              norm over all of a picture; after the second and the third attention; a linear layer to the code and one back; doubled
    doubled   3x3 to four times the channels, leaky ReLU, norm, pixel shuffle
    decoder   doubled to 4, 2 and 1 times the width (attention after the second); h + two 3x3, leaky ReLU after each; attention, or a 3x3
              with ReLU where the side is too large for it; for 128 pixels a 5x5 with tanh to the early face, doubled, 3x3 with ReLU; a 5x5
              to alpha (sigmoid) and the face (tanh)
    critic    4x4 with stride 2 to 1, 2, 4, 4.. times its width, leaky ReLU, but for the first a norm; attention from the third on; a 4x4
    attention x + gamma * value . softmax(query . key), without a bias of the key
    blend     given + alpha (face - given)
    d_loss    the mean of (D(share real + (1 - share) fake) - share)^2, summed over the two fakes: blend and face
    g_loss    the mean of (D(fake) - 1)^2, summed likewise
    l1        |face - real| in the mean, and the same of the early face and the mean of 2x2 pixels
    edge      | |difference of neighbours in face| - |the same in real| | in the mean, down and across, each without the last row and column
    eyes      both within ellipses around the two first points of FACE
    mask      0.1 (mean of the differences in alpha, down and across) + 0.01 mean alpha; or 0.1 mean max(0, 0.5 - alpha) in its place

Parameters come from tests/golden/formula.py, in the order in which the modules are listed below; a linear weight is
[inputs, outputs] with scale 1.5 / sqrt(inputs). Given faces are wave(shape, 0.013), real ones wave(shape, 0.017). Shares are those that
src/random.rs draws: xoshiro256++ as in tests/golden/draws.py, then Cheng 1978, algorithm BC.

`steps`: three steps by Adam with the rates 2e-4 (D) and 1e-4 (G) and betas 0.5 and 0.999, G judged by the D that has just learned. Of each
parameter's gradient there is the norm and the product with wave(shape, 0.71).

Made with torch 2.15.0 and numpy 2.4.6, on CPU. Run by hand, from anywhere:

    python tests/golden/faceswap.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from draws import stream
from formula import filled, gradients, parameters, rounded, wave
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
N, PERSONS, WIDTH, D_WIDTH, CODE = 3, [0, 0, 1], 2, 2, 5
FACE = [[0.319, 0.299], [0.679, 0.297]]
EYE = [0.14, 0.09]


def conv(inputs, outputs, kernel=3, stride=1, padding=None, bias=True):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, bias=bias)


class Gamma(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        few = max(c // 8, 1)
        self.query, self.key, self.value = conv(c, few, 1), conv(c, few, 1, bias=False), conv(c, c, 1)
        self.last = Gamma()

    def forward(self, x):
        query, key, value = [f(x).flatten(2) for f in (self.query, self.key, self.value)]
        weights = torch.softmax(query.transpose(1, 2) @ key, 2)
        return x + self.last.gamma * (value @ weights.transpose(1, 2)).reshape(x.shape)


class Stage(nn.Module):
    def __init__(self, layer, slope, norm, look):
        super().__init__()
        self.conv = layer
        self.norm = nn.GroupNorm(1, layer.out_channels) if norm else None
        self.look = Attention(look) if look else None
        self.slope = slope

    def forward(self, x, shuffle=False):
        h = F.leaky_relu(self.conv(x), self.slope)
        h = self.norm(h) if self.norm else h
        h = F.pixel_shuffle(h, 2) if shuffle else h
        return self.look(h) if self.look else h


class Encoder(nn.Module):
    def __init__(self, side, norms, attention):
        super().__init__()
        halvings = int(math.log2(side // 4))
        widths = [WIDTH * 2 ** min(i, 4) for i in range(halvings + 1)]
        self.first = conv(3, WIDTH, 5, bias=False)
        self.downs = nn.ModuleList()
        for i in range(halvings):
            look = widths[i + 1] if i in (1, 2) and side >> (i + 1) <= attention else None
            layer = conv(widths[i], widths[i + 1], 3, 2, bias=False)
            self.downs.append(Stage(layer, 0.0, norms and i > 0, look))
        self.code = nn.Linear(16 * widths[-1], CODE)
        self.decode = nn.Linear(CODE, 16 * widths[-1])
        self.up = Stage(conv(widths[-1], 4 * 8 * WIDTH), 0.2, norms, None)

    def forward(self, x):
        h = self.first(x)
        for down in self.downs:
            h = down(h)
        return self.up(self.decode(self.code(h.flatten(1))).reshape(h.shape), True)


class More(nn.Module):
    def __init__(self, c, norms):
        super().__init__()
        self.early = conv(c, 3, 5)
        self.up = Stage(conv(c, 4 * c), 0.2, norms, None)
        self.smooth = Stage(conv(c, c, bias=False), 0.0, False, None)


class Decoder(nn.Module):
    def __init__(self, side, norms, attention):
        super().__init__()
        doublings = int(math.log2(side // 8))
        inner = min(doublings, 3)
        widths = [8 * WIDTH // 2**i for i in range(inner + 1)]
        self.ups = nn.ModuleList()
        for i in range(inner):
            look = widths[i + 1] if i == 1 and 16 << i <= attention else None
            self.ups.append(Stage(conv(widths[i], 4 * widths[i + 1]), 0.2, norms, look))
        c = widths[-1]
        self.residual = nn.ModuleList(conv(c, c, bias=False) for _ in range(2))
        is_looked = 8 << inner <= attention
        self.looked = Attention(c) if is_looked else Stage(conv(c, c, bias=False), 0.0, False, None)
        self.more = nn.ModuleList(More(c, norms) for _ in range(doublings - inner))
        self.last = conv(c, 4, 5)

    def forward(self, h):
        for up in self.ups:
            h = up(h, True)
        h = F.leaky_relu(self.residual[1](F.leaky_relu(self.residual[0](h), 0.2)) + h, 0.2)
        h, early = self.looked(h), []
        for more in self.more:
            early.append(torch.tanh(more.early(h)))
            h = more.smooth(more.up(h, True))
        both = self.last(h)
        return torch.tanh(both[:, 1:]), torch.sigmoid(both[:, :1]), early


class Swapper(nn.Module):
    def __init__(self, *case):
        super().__init__()
        self.encoder = Encoder(*case)
        self.decoders = nn.ModuleList(Decoder(*case) for _ in range(2))

    def forward(self, given, persons):
        seen = self.encoder(given)
        drawn = [self.decoders[person](seen[i : i + 1]) for i, person in enumerate(persons)]
        early = [torch.cat([one[2][k] for one in drawn]) for k in range(len(drawn[0][2]))]
        return torch.cat([one[0] for one in drawn]), torch.cat([one[1] for one in drawn]), early


class Critic(nn.Module):
    def __init__(self, side, norms, attention):
        super().__init__()
        halvings = max(int(math.log2(side // 8)), 3)
        widths = [6] + [D_WIDTH * 2 ** min(i, 2) for i in range(halvings)]
        self.stages = nn.ModuleList()
        for i in range(halvings):
            look = widths[i + 1] if i >= 2 and side >> (i + 1) <= attention else None
            layer = conv(widths[i], widths[i + 1], 4, 2, 1, bias=False)
            self.stages.append(Stage(layer, 0.2, norms and i > 0, look))
        self.last = conv(widths[-1], 1, 4, 1, 1, bias=False)

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return self.last(x)


class Critics(nn.Module):
    def __init__(self, *case):
        super().__init__()
        self.of_person = nn.ModuleList(Critic(*case) for _ in range(2))

    def forward(self, face, given):
        both = torch.cat([face, given], 1)
        return torch.cat([self.of_person[person](both[i : i + 1]) for i, person in enumerate(PERSONS)])


def shares(step):
    """Beta(0.2, 0.2) by Cheng's algorithm BC, of the draws of (seed 0, this step, "d.mixup")."""
    draws = stream(0, step, "d.mixup")
    unit = lambda: ((next(draws) >> 12) + 0.5) / 2**52
    a = b = 0.2
    alpha, beta, delta = a + b, 1 / b, 1 + a - b
    kappa1 = delta * (1 / 72 + 3 / 72 * b) / (a * beta - 14 / 18)
    kappa2 = 0.25 + (0.5 + 0.25 / delta) * b
    found = []
    while len(found) < N:
        u1, u2 = unit(), unit()
        y, z = u1 * u2, u1 * u1 * u2
        v = beta * math.log(u1 / (1 - u1))
        w = a * math.exp(v) if v < 700 else math.inf
        if u1 < 0.5:
            if 0.25 * u2 + z - y >= kappa1:
                continue
        elif z <= 0.25:
            found.append(1.0 if w == math.inf else w / (b + w))
            continue
        elif z >= kappa2:
            continue
        if alpha * (math.log(alpha / (b + w)) + v) - math.log(4) >= math.log(z):
            found.append(1.0 if w == math.inf else w / (b + w))
    return torch.tensor(found, dtype=torch.float64).float().double().reshape(N, 1, 1, 1)


def edges(x):
    own = x[:, :, :-1, :-1]
    return [(own - x[:, :, 1:, :-1]).abs(), (own - x[:, :, :-1, 1:]).abs()]


def eyes(side):
    rows, columns = (np.mgrid[0:side, 0:side] + 0.5) / side
    found = np.zeros((side, side))
    for x, y in FACE:
        distance = np.hypot((columns - x) / EYE[0], (rows - y) / EYE[1])
        assert np.abs(distance - 1).min() > 1e-6, "a pixel lies on an edge"
        found[distance <= 1] = 1
    return torch.tensor(found)


class Players:
    def __init__(self, side, norms, attention, least):
        self.given, self.real = wave([N, 3, side, side], 0.013), wave([N, 3, side, side], 0.017)
        self.net, self.critics = filled(Swapper(side, norms, attention)), filled(Critics(side, norms, attention))
        self.least, self.eyes = least, eyes(side)

    def d_loss(self, fakes, share):
        def of(fake):
            return (self.critics(share * self.real + (1 - share) * fake, self.given) - share).square().mean()

        return sum(of(fake.detach()) for fake in fakes)

    def drawn(self):
        face, alpha, early = self.net(self.given, PERSONS)
        return face, alpha, early, [alpha * face + (1 - alpha) * self.given, face]

    def g_losses(self, face, alpha, early, fakes):
        g_loss = sum((self.critics(fake, self.given) - 1).square().mean() for fake in fakes)
        l1 = (face - self.real).abs().mean()
        for small in early:
            l1 = l1 + (small - F.avg_pool2d(self.real, face.shape[2] // small.shape[2])).abs().mean()
        apart = [(a - b).abs() for a, b in zip(edges(face), edges(self.real))]
        edge = sum(each.mean() for each in apart)
        within = ((face - self.real).abs() * self.eyes).mean()
        within = within + sum((each * self.eyes[:-1, :-1]).mean() for each in apart)
        size = 0.1 * F.relu(self.least - alpha).mean() if self.least > 0 else 0.01 * alpha.mean()
        mask = size + 0.1 * sum(each.mean() for each in edges(alpha))
        return {"g_loss": g_loss, "l1": l1, "edge": edge, "eyes": within, "mask": mask}


def total(losses):
    weights = {"g_loss": 0.1, "l1": 1.0, "edge": 0.1, "eyes": 30.0, "mask": 1.0}
    return sum(weights[name] * loss for name, loss in losses.items())


def some(pictures):
    return pictures.flatten()[:: max(pictures.numel() // 60, 1)].tolist()


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def case(*settings):
    players = Players(*settings)
    face, alpha, early, fakes = players.drawn()
    share = shares(0)
    d_loss, losses = players.d_loss(fakes, share), players.g_losses(face, alpha, early, fakes)
    found = {
        "parameters": [sum(p.numel() for p in net.parameters()) for net in (players.net, players.critics)],
        "face": some(face),
        "alpha": some(alpha),
        "early": [some(small) for small in early],
        "logits": some(players.critics(players.real, players.given)),
        "d_loss": d_loss.item(),
        "d_gradients": gradients(players.critics, d_loss),
        "g_gradients": gradients(players.net, total(losses)),
        "steps": [],
    } | {name: loss.item() for name, loss in losses.items()}
    adam = lambda net, rate: torch.optim.Adam(net.parameters(), rate, (0.5, 0.999), 1e-8)
    optimizers = adam(players.critics, 2e-4), adam(players.net, 1e-4)
    for step in range(3):
        face, alpha, early, fakes = players.drawn()
        d_loss = players.d_loss(fakes, shares(step))
        descend(optimizers[0], d_loss)
        losses = players.g_losses(face, alpha, early, fakes)
        descend(optimizers[1], total(losses))
        found["steps"].append([d_loss.item()] + [losses[name].item() for name in ("g_loss", "l1", "edge", "eyes")])
    # All faces as those of the second person, over what was given
    face, alpha, _ = players.net(players.given, [1] * N)
    return found | {"at_last": some(alpha * face + (1 - alpha) * players.given)}


def warped(side):
    """Each pixel from where the grid moves it, all by linear interpolation with the last values going on."""
    face = wave([2, side, side], 0.31).numpy()
    moved = (wave([5, 5, 2], 1.7) * 0.2).float().double().numpy()

    def between(values, at):
        at = min(max(at, 0.0), len(values) - 1.0)
        low = min(int(at), len(values) - 2)
        return values[low] + (values[low + 1] - values[low]) * (at - low)

    found = np.zeros_like(face)
    for y in range(side):
        for x in range(side):
            row = np.array([between(moved[:, i], (y + 0.5) / side * 4) for i in range(5)])
            dx, dy = between(row, (x + 0.5) / side * 4) * side
            for c, plane in enumerate(face):
                found[c, y, x] = between(np.array([between(line, x + dx) for line in plane]), y + dy)
    return found.flatten().tolist()


def main():
    found = {"large": case(128, True, 32, 0.0), "small": case(16, False, 64, 0.5), "warped": warped(10)}
    found["shares"] = [shares(step).flatten().tolist() for step in range(3)]
    with open(Path(__file__).with_suffix(".json"), "w") as file:
        json.dump(rounded(found), file)
        file.write("\n")


if __name__ == "__main__":
    main()
