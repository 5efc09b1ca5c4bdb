"""Makes src/data/sprites.csv: where the joints of the figures of the set `sprites` are.

Nobody says where they are, but every pose was rendered from eight directions, and the layers of the undressed figure are a map of its parts:
feet with calves, legs, forearms with hands, the chest with the upper arms, the head. So a skeleton in space is fitted to each moment of
each animation: 16 points, joined by bones that have a thickness and belong to a part. What is made small:

    data   of every pixel of a part, in all eight views, the squared distance to the nearest bone of that part (what hides a part hides its
           pixels, so bones need not be seen everywhere)
    out    of seven places on every bone the squared distance to the figure as a whole, so that no bone reaches beyond it
    bone   the squared difference of each bone's length to the median over all moments, both sides alike

by Adam from several beginnings, each rough: heights and middles of the parts, the left to the left. Moments that end badly begin again from
the skeletons of others, for a run also from the one half a turn of the legs away, mirrored. Left and right follow from the figure's
looking where it goes. A shadow's pixels are half transparent; what is less than 200 of 255 is left out.

One looks down by 30 degrees from afar: of all angles, the whole figure's hull from eight silhouettes fills these best at that one, to 99 %.
The wrist is three quarters of the way from the elbow to the end of the hand; the head's middle stands for the nose.

Made with torch 2.15.0, numpy 2.4.6 and Pillow; some 20 minutes for each figure on two cores. Run by hand:

    apt-get download flare-game=1.14-1
    python tests/golden/sprites.py flare-game_1.14-1_all.deb
"""

import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

ANIMATIONS = [("stance", 4), ("run", 8), ("swing", 4), ("cast", 4), ("shoot", 4), ("hit", 2), ("block", 2)]
FIGURES = [("male", "head_bald"), ("female", "head_long")]
LAYERS = ["default_feet", "default_legs", "default_hands", "default_chest"]
POINTS = "lhip rhip lknee rknee lankle rankle ltoe rtoe lshoulder rshoulder lelbow relbow lhand rhand neck head".split()
AT = {name: i for i, name in enumerate(POINTS)}
# Two points, the part (by the order of the layers, then the head), the thickness and how firmly the length is kept.
BONES = [
    ("lknee", "lankle", 0, 1.8, 1), ("rknee", "rankle", 0, 1.8, 1), ("lankle", "ltoe", 0, 1.3, 0.5), ("rankle", "rtoe", 0, 1.3, 0.5),
    ("lhip", "lknee", 1, 2.5, 1), ("rhip", "rknee", 1, 2.5, 1), ("lhip", "rhip", 1, 2.8, 1),
    ("lelbow", "lhand", 2, 1.3, 1), ("relbow", "rhand", 2, 1.3, 1),
    ("lshoulder", "lelbow", 3, 2.2, 1), ("rshoulder", "relbow", 3, 2.2, 1), ("lshoulder", "rshoulder", 3, 2.5, 1),
    ("lshoulder", "lhip", 3, 2.5, 0.3), ("rshoulder", "rhip", 3, 2.5, 0.3),
    ("lshoulder", "rhip", 3, 2.5, 0.3), ("rshoulder", "lhip", 3, 2.5, 0.3),
    ("neck", "head", 4, 3.0, 0.5),
]
LENGTHS = [13, 13, 5, 5, 12, 12, 6, 11, 11, 11, 11, 11, 17, 17, 19, 19, 6]  # to begin with
ALIKE = [(0, 1), (2, 3), (4, 5), (7, 8), (9, 10), (12, 13), (14, 15)]
A, B = (torch.tensor([AT[bone[end]] for bone in BONES]) for end in (0, 1))
PART, THICK, FIRM = (torch.tensor([bone[k] for bone in BONES]) for k in (2, 3, 4))
ONE_IN = [2, 4, 1, 6, 3]  # pixels of each part that are looked at
WEIGHT = torch.tensor([1.5 * 2, 1.0 * 4, 3.0, 0.6 * 6, 1.2 * 3])
DOWN = math.radians(30)
TURN = torch.tensor([math.pi - math.pi / 4 * d for d in range(8)])
HIGH, WIDE, FOOT = 130, 120, (60, 90)  # a canvas that holds every layer, and where the figure stands
BAD = [0.6, 0.4]  # moments of which a larger loss is left begin again, once for each


def sheet(root, figure, layer):
    """Of each (animation, moment, direction) the layer's opaque pixels on the canvas."""
    text = (root / f"animations/avatar/{figure}/{layer}.txt").read_text()
    picture = np.array(Image.open(root / f"images/avatar/{figure}/{layer}.png").convert("RGBA"))[..., 3] > 200
    found, animation = {}, None
    for line in text.splitlines():
        if name := re.match(r"\[(\w+)\]", line):
            animation = name[1]
        if frame := re.match(r"frame=(.*)", line):
            moment, direction, x, y, w, h, foot_x, foot_y = map(int, frame[1].split(","))
            canvas = np.zeros((HIGH + 200, WIDE + 200), bool)
            top, left = FOOT[1] - foot_y + 100, FOOT[0] - foot_x + 100
            canvas[top : top + h, left : left + w] = picture[y : y + h, x : x + w]
            found[animation, moment, direction] = canvas[100:-100, 100:-100]
    return found


def projected(points):
    """[.., 16, 3] forward, left, up to [.., 8, 16, 2] right, up in the pictures."""
    points = points.unsqueeze(-3)
    cos, sin = torch.cos(TURN)[:, None], torch.sin(TURN)[:, None]
    right = points[..., 0] * cos - points[..., 1] * sin
    away = points[..., 0] * sin + points[..., 1] * cos
    return torch.stack([right, points[..., 2] * math.cos(DOWN) + away * math.sin(DOWN)], -1)


class Views:
    """The pixels of some moments."""

    def __init__(self, layers, moments):
        self.moments = moments
        masks = np.array([[[layer[s, i, d] for layer in layers] for d in range(8)] for s, i in moments])
        chance = np.random.default_rng(1)
        self.parts = []
        for part, one_in in enumerate(ONE_IN):
            moment, view, y, x = (torch.tensor(of) for of in np.nonzero(masks[:, :, part]))
            at = torch.stack([x - FOOT[0] + 0.5, FOOT[1] - y - 0.5], 1)
            kept = torch.tensor(chance.random(len(at)) < 1 / one_in)
            self.parts.append((moment[kept], view[kept], at[kept]))
        outside = torch.zeros(len(moments) * 8, 1, HIGH, WIDE)
        body = torch.tensor(masks.any(2)).float().reshape(-1, 1, HIGH, WIDE)
        for _ in range(8):
            outside += 1 - body
            body = F.max_pool2d(body, 3, 1, 1)
        self.outside = outside  # pixels to the figure, at most 8

    def middle(self, part, axis):
        """Of a part in each moment and view, [moments, 8]."""
        moment, view, at = self.parts[part]
        sums = torch.zeros(2, len(self.moments) * 8)
        sums[0].index_add_(0, moment * 8 + view, at[:, axis])
        sums[1].index_add_(0, moment * 8 + view, torch.ones(len(at)))
        return (sums[0] / sums[1].clamp(min=1)).reshape(-1, 8)

    def loss(self, points, lengths):
        """Of [beginnings, moments, 16, 3], for each beginning and moment."""
        seen = projected(points)
        a, b = seen[..., A, :], seen[..., B, :]  # [beginnings, moments, 8, bones, 2]
        data = torch.zeros(points.shape[:2])
        for part, (moment, view, at) in enumerate(self.parts):
            own = (PART == part).nonzero()[:, 0]
            start, end = a[:, moment, view][:, :, own], b[:, moment, view][:, :, own]
            way, offset = end - start, at[:, None] - start
            share = ((offset * way).sum(-1) / (way.pow(2).sum(-1) + 1e-3)).clamp(0, 1)
            distance = ((offset - share[..., None] * way).pow(2).sum(-1) + 1e-6).sqrt()
            beyond = (distance - THICK[own]).clamp(min=0).min(-1).values.clamp(max=8)
            data = data.index_add(1, moment, beyond.pow(2) * WEIGHT[part])
        places = a[..., None, :] + (b - a)[..., None, :] * torch.linspace(0, 1, 7)[:, None]
        grid = torch.stack([(places[..., 0] + FOOT[0]) / (WIDE / 2) - 1, (FOOT[1] - places[..., 1]) / (HIGH / 2) - 1], -1)
        count, moments = points.shape[:2]
        grid = grid.permute(1, 2, 0, 3, 4, 5).reshape(moments * 8, count * len(BONES), 7, 2)
        out = F.grid_sample(self.outside, grid, align_corners=False, padding_mode="border")
        out = out.reshape(moments, 8, count, -1).pow(2).mean((1, 3)).T
        bone = ((points[:, :, A] - points[:, :, B]).norm(dim=-1) - lengths).pow(2)
        return data / 400 + 6 * out + 0.4 * (bone * FIRM).mean(-1)

    def fitted(self, points, lengths, steps, rate):
        """The best of each moment's beginnings after so many steps, and its loss."""
        points = points.clone().requires_grad_()
        adam = torch.optim.Adam([points], rate)
        for step in range(steps):
            adam.param_groups[0]["lr"] = rate * (1 - step / steps) + 0.01
            adam.zero_grad()
            self.loss(points, lengths).sum().backward()
            adam.step()
        with torch.no_grad():
            least, best = self.loss(points, lengths).min(0)
        return points.detach()[best, torch.arange(len(self.moments))], least

    def beginnings(self, count):
        up = [self.middle(part, 1).mean(1) / math.cos(DOWN) for part in range(5)]
        right = {part: self.middle(part, 0) for part in (1, 3, 4)}
        points = torch.zeros(count, len(self.moments), 16, 3)
        rough = {  # how far out, above which part's middle, how far above, with which part
            "hip": (3, 1, 4, 1), "knee": (4, 1, -4, 1), "ankle": (4, None, 4, 1), "toe": (4, None, 1, 1), "shoulder": (6, 3, 7, 3),
            "elbow": (9, 3, 0, 3), "hand": (9, 2, 0, 3), "neck": (0, 4, -4, 4), "head": (0, 4, 2, 4),
        }
        chance = torch.zeros(16)
        for name, i in AT.items():
            side = {"l": 1, "r": -1}[name[0]] if name not in ("neck", "head") else 0
            out, part, above, along = rough[name if side == 0 else name[1:]]
            points[:, :, i, 0] = (right[along] * torch.cos(TURN)).sum(1) / 4 + (4 if name[1:] in ("toe", "hand") else 0)
            points[:, :, i, 1] = -(right[along] * torch.sin(TURN)).sum(1) / 4 + side * out
            points[:, :, i, 2] = above + (up[part] if part is not None else 0)
            chance[i] = {"hand": 2, "elbow": 1.2, "knee": 1.5, "ankle": 1.5, "toe": 1.5}.get(name[1:], 0)
        spread = torch.linspace(0.5, 5, count)[:, None, None, None]
        return points + torch.randn(points.shape) * spread * chance[:, None]


def lengths_of(points):
    found = (points[:, A] - points[:, B]).norm(dim=-1).median(0).values
    for i, j in ALIKE:
        found[i] = found[j] = (found[i] + found[j]) / 2
    return found


def mirrored(points):
    other = [AT[{"l": "r", "r": "l"}[name[0]] + name[1:]] if name not in ("neck", "head") else AT[name] for name in POINTS]
    return points[other] * torch.tensor([1.0, -1.0, 1.0])


def begun_again(views_of, moments, points, losses, limit):
    """The moments that ended badly, from the skeletons of others."""
    bad = [i for i, loss in enumerate(losses) if loss > limit]
    good = [i for i, loss in enumerate(losses) if loss <= limit]
    if not bad or not good:
        return
    lists = []
    for i in bad:
        name, moment = moments[i]
        near = sorted((j for j in good if moments[j][0] == name), key=lambda j: abs(moments[j][1] - moment))
        halves = [((moment + k) % 8) for k in (4, 3, 5)] if name == "run" else []
        turned = [mirrored(points[j]) for half in halves for j in near if moments[j][1] == half]
        rest = [j for j in good if j not in near]
        rest = [rest[k] for k in torch.randperm(len(rest), generator=torch.Generator().manual_seed(i))]
        lists.append(torch.stack((turned + [points[j] for j in near[:4] + rest])[:8]))
    found, least = views_of([moments[i] for i in bad]).fitted(torch.stack(lists, 1), lengths_of(points[good]), 220, 0.4)
    for k, i in enumerate(bad):
        if least[k] < losses[i]:
            points[i], losses[i] = found[k], least[k]


def skeletons(root, figure, head):
    torch.manual_seed(0)
    layers = [sheet(root, figure, layer) for layer in LAYERS + [head]]
    moments = [(name, i) for name, count in ANIMATIONS for i in range(count)]
    views = Views(layers, moments)
    points, losses = views.fitted(views.beginnings(6), torch.tensor(LENGTHS), 160, 0.6)
    for _ in range(2):
        spread = torch.linspace(0, 2, 3)[:, None, None, None]
        points, losses = views.fitted(points + torch.randn(3, *points.shape) * spread, lengths_of(points), 140, 0.4)
    for limit in BAD:
        begun_again(lambda some: Views(layers, some), moments, points, losses, limit)
    print(figure, "losses:", [round(float(loss), 2) for loss in losses], file=sys.stderr)
    return [(name, i, points[k]) for k, (name, i) in enumerate(moments)]


def row(figure, name, moment, points):
    at = lambda joint: points[AT[joint]]
    wrist = lambda side: at(f"{side}elbow") * 0.25 + at(f"{side}hand") * 0.75
    both = lambda joint: [at(f"l{joint}"), at(f"r{joint}")]
    places = [(at("neck") + at("head")) / 2] + both("shoulder") + both("elbow") + [wrist("l"), wrist("r")]
    places += both("hip") + both("knee") + both("ankle")
    return ",".join([figure, name, str(moment)] + [f"{value:.1f}" for place in places for value in place.tolist()])


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", sys.argv[1], folder], check=True)
        root = Path(folder) / "usr/share/games/flare/mods/fantasycore"
        rows = [row(figure, *of) for figure, head in FIGURES for of in skeletons(root, figure, head)]
    head = [
        "# Made by tests/golden/sprites.py, whose docs say how: for the middle of the head and for shoulders, elbows, wrists, hips, knees and",
        "# ankles, the left one first, how far forward, to the left and up it is from where the figure stands, in pixels.",
    ]
    path = Path(__file__).parents[2] / "src/data/sprites.csv"
    path.write_text("\n".join(head + rows) + "\n")


if __name__ == "__main__":
    main()
