"""Makes tests/golden/posegan.json: heat maps and masks of poses, small networks and losses of PG2, and three steps of either stage.

Written from Ma et al. 2017 (sections 3.1 and 3.2) with PyTorch's own modules; heat maps and masks from their definitions with numpy. 64
pixels, 2 channels at the full size, a code of 3 entries, critics of 2 channels in their first layer. 3 pairs of pictures.

    heat map   1 within side / 32 of a joint whose score is above 0, else -1; pixels have their centres at halves
    mask       1 within side / 16 of a line between two such joints that LIMBS connects, or of one of them, else 0
    distance   the mean over all entries of |made - wanted| (1 + mask)                                      equations 2 and 7
    d_loss     -mean log D(given, wanted) - mean log(1 - D(given, made))
    g_loss     -mean log D(given, made), to which L1_WEIGHT * distance is added

G1's encoder: 3x3 to WIDTH channels; at each of four sizes a residual block of two 3x3 convolutions with ReLU, and between two sizes a 3x3
with stride 2 and ReLU to WIDTH more channels. A linear layer to the code and one back to 8x8 pixels. The decoder: what comes from below
beside what the encoder saw, a residual block, doubled by nearest neighbour, a 1x1 with ReLU. G2: the same at two sizes from what G1 made
and the person, without the code; its result is added to G1's. D: four 5x5 with stride 2, batch norm after all but the first (`second`) or
nowhere (`without norm`), leaky ReLU.

    r1         R1_WEIGHT / 2 times the mean of the squared length of the gradient of D's logit on a real pair by both of its pictures

Parameters come from tests/golden/formula.py, in the order in which the modules are listed below; a linear weight is
[inputs, outputs] with scale 1.5 / sqrt(inputs). Weights of convolutions and linear layers are that times GAIN. Pictures are
wave(shape, 0.013), given, and wave(shape, 0.017), wanted. A joint's x is 0.5 + 0.4 wave(0.9), its y 0.5 + 0.4 wave(1.3), by the number of the
joint among all; the score is 0 for every sixth, from the fifth on, else 1.

`first`, `second` and `without norm`: pictures, logits, losses, of each parameter's gradient the norm and the product with wave(shape, 0.71). `steps`:
three steps by Adam with the rate 2e-4 and betas 0.5 and 0.999 from there, G2 judged by the D that has just learned; `made` is at the end.
Without norm, twice R1 is added to D's loss at the first and the third step.

Made with torch 2.15.0 and numpy 2.4.6, on CPU. Run by hand, from anywhere:

    python tests/golden/posegan.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from formula import filled, gradients, parameters, rounded, wave
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
SIDE, WIDTH, CODE, D_WIDTH, JOINTS, N = 64, 2, 3, 2, 17, 3
L1_WEIGHT, R1_WEIGHT, GAIN = 10.0, 0.3, 0.5
# By COCO's numbers: the head, neck and shoulders, arms, the trunk with its diagonals, hips and legs.
LIMBS = [(0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (0, 6), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)]
LIMBS += [(5, 11), (6, 12), (5, 12), (6, 11), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)]


def joints():
    """[N, 17, 3] in shares of the side."""
    x, y = 0.5 + 0.4 * wave([N * JOINTS], 0.9), 0.5 + 0.4 * wave([N * JOINTS], 1.3)
    score = torch.tensor([0.0 if i % 6 == 4 else 1.0 for i in range(N * JOINTS)], dtype=torch.float64)
    return torch.stack([x, y, score], 1).reshape(N, JOINTS, 3).float().double().numpy()


def centres():
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    return np.stack([columns, rows], -1)  # x, y in pixels


def within(distance, reach):
    assert np.abs(distance - reach).min() > 1e-5, "a pixel lies on an edge, which f32 may see otherwise"
    return distance <= reach


def heat_maps(poses):
    maps = -np.ones((N, JOINTS, SIDE, SIDE))
    for n in range(N):
        for j, (x, y, score) in enumerate(poses[n]):
            if score > 0:
                distance = np.linalg.norm(centres() - np.array([x, y]) * SIDE, axis=-1)
                maps[n, j][within(distance, SIDE / 32)] = 1
    return maps


def mask(poses):
    found = np.zeros((N, 1, SIDE, SIDE))
    for n in range(N):
        for a, b in LIMBS + [(j, j) for j in range(JOINTS)]:
            if poses[n, a, 2] > 0 and poses[n, b, 2] > 0:
                start, end = poses[n, a, :2] * SIDE, poses[n, b, :2] * SIDE
                way = end - start
                length = np.linalg.norm(way)
                offset = centres() - start
                along = np.clip(offset @ way / length, 0, length) if length > 0 else np.zeros((SIDE, SIDE))
                nearest = along[..., None] * (way / length if length > 0 else way)
                found[n, 0][within(np.linalg.norm(offset - nearest, axis=-1), SIDE / 16)] = 1
    return found


def conv(inputs, outputs, kernel=3, stride=1, bias=True):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.convs = nn.ModuleList([conv(c, c), conv(c, c)])

    def forward(self, x):
        return x + F.relu(self.convs[1](F.relu(self.convs[0](x))))


class Encoder(nn.Module):
    def __init__(self, inputs, levels):
        super().__init__()
        widths = [WIDTH * (i + 1) for i in range(levels)]
        self.first = conv(inputs, WIDTH)
        self.blocks = nn.ModuleList(Residual(c) for c in widths)
        self.downs = nn.ModuleList(conv(a, b, stride=2) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        seen = [self.blocks[0](F.relu(self.first(x)))]
        for down, block in zip(self.downs, self.blocks[1:]):
            seen.append(block(F.relu(down(seen[-1]))))
        return seen


class Decoder(nn.Module):
    def __init__(self, beside, levels):
        super().__init__()
        # From the smallest size on: what comes from below and what the encoder saw.
        widths = [WIDTH * (i + 1) + (beside if i == levels - 1 else WIDTH * (i + 1)) for i in reversed(range(levels))]
        self.blocks = nn.ModuleList(Residual(c) for c in widths)
        self.ups = nn.ModuleList(conv(c, WIDTH * (levels - 1 - k), 1) for k, c in enumerate(widths[:-1]))
        self.last = conv(widths[-1], 3)

    def forward(self, h, seen):
        for k, block in enumerate(self.blocks):
            beside = seen[len(seen) - 1 - k]
            h = block(beside if h is None else torch.cat([h, beside], 1))
            if k < len(self.ups):
                h = F.relu(self.ups[k](F.interpolate(h, scale_factor=2)))
        return self.last(h)


class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder(3 + JOINTS, 4)
        self.code = nn.Linear(64 * 4 * WIDTH, CODE)
        self.decode = nn.Linear(CODE, 64 * WIDTH)
        self.decoder = Decoder(WIDTH, 4)

    def forward(self, given, maps):
        seen = self.encoder(torch.cat([given, maps], 1))
        h = self.decode(self.code(seen[-1].flatten(1)))
        return self.decoder(h.reshape(-1, WIDTH, 8, 8), seen)


class Second(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder(6, 2)
        self.decoder = Decoder(0, 2)

    def forward(self, drawn, given):
        return self.decoder(None, self.encoder(torch.cat([drawn, given], 1)))


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = First()
        self.second = Second()

    def forward(self, given, maps):
        with torch.no_grad():
            drawn = self.first(given, maps)
        return drawn + self.second(drawn, given)


class Layer(nn.Module):
    def __init__(self, inputs, outputs, is_normed):
        super().__init__()
        self.conv = conv(inputs, outputs, 5, 2, bias=not is_normed)
        self.norm = nn.BatchNorm2d(outputs) if is_normed else nn.Identity()

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


class Critic(nn.Module):
    def __init__(self, is_normed):
        super().__init__()
        widths = [6] + [D_WIDTH * 2**i for i in range(4)]
        self.layers = nn.Sequential(*[Layer(widths[i], widths[i + 1], is_normed and i > 0) for i in range(4)])
        self.last = nn.Linear(widths[-1] * (SIDE // 16) ** 2, 1)

    def forward(self, given, other):
        return self.last(self.layers(torch.cat([given, other], 1)).flatten(1))

    def r1(self):
        given, wanted = GIVEN.clone().requires_grad_(), WANTED.clone().requires_grad_()
        gradient = torch.autograd.grad(self(given, wanted).sum(), [given, wanted], create_graph=True)
        return sum(each.square().flatten(1).sum(1) for each in gradient).mean() * R1_WEIGHT / 2


def softplus(x):
    return F.softplus(x).mean()


GIVEN, WANTED = wave([N, 3, SIDE, SIDE], 0.013), wave([N, 3, SIDE, SIDE], 0.017)
POSES = joints()
MAPS, MASK = torch.tensor(heat_maps(POSES)), torch.tensor(mask(POSES))


def distance(made):
    return ((made - WANTED).abs() * (1 + MASK)).mean()


def some(pictures):
    return pictures[:, :, ::9, ::9].flatten().tolist()


def adam(net):
    return torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), 1e-8)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def first():
    net = filled(First(), GAIN)
    made = net(GIVEN, MAPS)
    l1 = distance(made)
    found = {"made": some(made), "l1": l1.item(), "gradients": gradients(net, l1), "steps": []}
    optimizer = adam(net)
    for _ in range(3):
        l1 = distance(net(GIVEN, MAPS))
        descend(optimizer, l1)
        found["steps"].append(l1.item())
    return found | {"at_last": some(net(GIVEN, MAPS))}


def second(is_normed):
    both, critic = filled(Both(), GAIN), filled(Critic(is_normed), GAIN)
    made = both(GIVEN, MAPS)
    logits = [critic(GIVEN, WANTED), critic(GIVEN, made.detach())]
    d_loss = softplus(-logits[0]) + softplus(logits[1])
    g_loss, l1 = softplus(-critic(GIVEN, made)), distance(made)
    found = {
        "made": some(made),
        "logits": torch.cat(logits).flatten().tolist(),
        "d_loss": d_loss.item(),
        "d_gradients": gradients(critic, d_loss),
        "r1": critic.r1().item(),
        "r1_gradients": gradients(critic, d_loss + critic.r1()),
        "g_loss": g_loss.item(),
        "l1": l1.item(),
        "gradients": gradients(both.second, g_loss + L1_WEIGHT * l1),
        "steps": [],
    }
    optimizers = adam(critic), adam(both.second)
    for step in range(3):
        made = both(GIVEN, MAPS)
        d_loss = softplus(-critic(GIVEN, WANTED)) + softplus(critic(GIVEN, made.detach()))
        descend(optimizers[0], d_loss if is_normed or step == 1 else d_loss + 2 * critic.r1())
        g_loss, l1 = softplus(-critic(GIVEN, made)), distance(made)
        descend(optimizers[1], g_loss + L1_WEIGHT * l1)
        found["steps"].append([d_loss.item(), g_loss.item(), l1.item()])
    return found | {"at_last": some(both(GIVEN, MAPS))}


def main():
    lit = [[int(i) for i in np.flatnonzero(m > 0)] for m in MAPS.numpy().reshape(N * JOINTS, -1)]
    rows = MASK.numpy().reshape(N * SIDE, SIDE) > 0
    found = rounded({"first": first(), "second": second(True), "without norm": second(False)})
    # The places of each joint's disc; and each row of a mask as the places where it changes.
    found |= {"maps": lit, "mask": [[int(i) for i in np.flatnonzero(np.diff(row, prepend=False))] for row in rows]}
    with open(Path(__file__).with_suffix(".json"), "w") as file:
        json.dump(found, file)
        file.write("\n")


if __name__ == "__main__":
    main()
