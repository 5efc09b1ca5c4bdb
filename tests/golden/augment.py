"""Makes tests/golden/augment.json: what PyTorch says the augmentation of src/augment.rs computes, for given matrices.

The pipeline is that of appendix B of Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data":
reflection padding with margins that the corners of the warped pictures ask for, doubling by zero insertion and `conv2d`
with the symlet of order six, `grid_sample`, `conv2d` and every second pixel, then an affine map of colours. Nothing is
drawn at random: the matrices stand below and in the file, and the pictures come from the formula

    wave(shape, rate)    sin(rate (i + 1) + 0.3 sin(0.01 i^2)), rounded to float32    i the flat index

The gradient is that of the sum of the result times wave(shape, 0.71). All is float64; numbers are stored with 8 digits.

Made with torch 2.15.0 and numpy, on CPU. Run by hand, from anywhere:

    python tests/golden/augment.py
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F


def symlet(order):
    """The least asymmetric filter of Daubechies, from its definition: half the zeros of the remaining polynomial."""
    remaining = [math.comb(order - 1 + k, k) for k in range(order)]  # P(y) = sum of these times y^k, y = (2 - z - 1/z)/4
    groups = []
    for y in np.roots(remaining[::-1]):
        if y.imag < -1e-12:
            continue
        z = np.roots([1, 4 * y - 2, 1])
        inner = z[np.argmin(abs(z))]
        pairs = [[inner, np.conj(inner)], [1 / inner, 1 / np.conj(inner)]]
        groups.append(pairs if abs(y.imag) > 1e-12 else [[inner.real], [1 / inner.real]])
    best = None
    frequencies = np.linspace(0.01, 0.95 * np.pi, 400)
    for choice in range(2 ** len(groups)):
        zeros = [-1] * order + [z for i, g in enumerate(groups) for z in g[choice >> i & 1]]
        taps = np.real(np.poly(zeros))
        taps = taps / taps.sum()
        phase = np.unwrap(np.angle(np.exp(-1j * np.outer(frequencies, np.arange(len(taps)))) @ taps))
        slope = (phase * frequencies).sum() / (frequencies**2).sum()
        off = ((phase - slope * frequencies) ** 2).sum()
        # A filter and its reflection have the same departure; the usual tables hold this one.
        best = min(best or (off, taps), (off, taps), key=lambda pair: (round(pair[0], 9), pair[1][5] < pair[1][6]))
    return best[1]


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double().reshape(shape)


def translation(x, y):
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=float)


def scaling(x, y):
    return np.diag([x, y, 1.0])


def rotation(degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def warped(x, inverses, taps):
    n, c, h, w = x.shape
    rim = len(taps) // 4
    corners = np.array([[sx * (w - 1) / 2, sy * (h - 1) / 2, 1] for sx in (-1, 1) for sy in (-1, 1)]).T
    reached = np.concatenate([inverse @ corners for inverse in inverses], axis=1)
    far = [-reached[0].min(), reached[0].max(), -reached[1].min(), reached[1].max()]
    sides = [w, w, h, h]
    left, right, top, bottom = [
        math.ceil(min(max(reach + 2 * rim - (side - 1) / 2, 0), side - 1)) for reach, side in zip(far, sides)
    ]
    x = F.pad(x, [left, right, top, bottom], mode="reflect")

    # Doubling: a convolution, so the taps turned round for conv2d; a gain of 2 along each axis.
    f = torch.from_numpy(taps)
    kernel = torch.outer(f, f)[None, None]
    wide = torch.zeros([n, c, 2 * x.shape[2], 2 * x.shape[3]], dtype=x.dtype)
    wide[:, :, ::2, ::2] = x
    wide = F.pad(wide, [6, 5, 6, 5])
    planes = wide.reshape(n * c, 1, *wide.shape[2:])
    wide = F.conv2d(planes, 4 * kernel.flip([2, 3])).reshape(n, c, 2 * x.shape[2], 2 * x.shape[3])

    # Sampling, at pixel centres: doubled pixel 2i is half a pixel left of the middle of its pair.
    rows, columns = 2 * (h + 2 * rim), 2 * (w + 2 * rim)
    grids = []
    for inverse in inverses:
        half = translation(-0.5, -0.5) @ scaling(2, 2)
        moved = half @ translation((left - right) / 2, (top - bottom) / 2) @ inverse @ np.linalg.inv(half)
        i, j = np.meshgrid(np.arange(rows) + 0.5 - rows / 2, np.arange(columns) + 0.5 - columns / 2, indexing="ij")
        places = np.einsum("ab,bij->aij", moved, np.stack([j, i, np.ones_like(i)]))
        grids.append(np.stack([places[0] * 2 / wide.shape[3], places[1] * 2 / wide.shape[2]], axis=-1))
    sampled = F.grid_sample(
        wide, torch.from_numpy(np.stack(grids)), mode="bilinear", padding_mode="zeros", align_corners=False
    )

    # Halving: a correlation, of which one row and column are cut off at each side.
    planes = sampled[:, :, 1:-1, 1:-1].reshape(n * c, 1, rows - 2, columns - 2)
    return F.conv2d(planes, kernel)[:, :, ::2, ::2].reshape(n, c, h, w)


def augmented(x, inverses, colours, taps):
    y = warped(x, inverses, taps)
    colours = torch.tensor(np.stack(colours))  # [n, 3, 4]
    if x.shape[1] == 1:
        mean = colours.mean(dim=1)
        return y * mean[:, :3].sum(dim=1)[:, None, None, None] + mean[:, 3][:, None, None, None]
    return torch.einsum("nab,nbhw->nahw", colours[:, :, :3], y) + colours[:, :, 3, None, None]


def colour(rate):
    """Any affine map will do."""
    base = np.concatenate([np.eye(3), np.zeros([3, 1])], axis=1)
    return base + 0.5 * np.sin(rate * np.arange(1, 13)).reshape(3, 4)


def stored(values):
    return [float(f"{value:.8g}") for value in np.asarray(values).flatten().tolist()]


def case(shape, inverses, taps):
    colours = [colour(0.9 + 0.7 * i) for i in range(shape[0])]
    # As the test reads them.
    inverses = [np.vstack([np.array(stored(m[:2])).reshape(2, 3), [[0, 0, 1]]]) for m in inverses]
    colours = [np.array(stored(c)).reshape(3, 4) for c in colours]
    x = wave(shape, 0.37).requires_grad_()
    y = augmented(x, inverses, colours, taps)
    (gradient,) = torch.autograd.grad((y * wave(shape, 0.71)).sum(), x)
    return {
        "shape": shape,
        "inverses": [stored(m[:2]) for m in inverses],
        "colours": [stored(c) for c in colours],
        "y": stored(y.detach()),
        "gradient": stored(gradient),
    }


def main():
    taps = symlet(6)
    strong = [
        rotation(37) @ translation(1.3, -0.4),
        scaling(2.6, 2.6),
        scaling(-1, 1) @ rotation(-71) @ scaling(0.6, 1 / 0.6) @ rotation(15) @ translation(-0.2, 0.9),
        scaling(0.45, 0.45) @ translation(3, -2),
    ]
    mild = [rotation(-12) @ scaling(0.8, 0.8), rotation(90) @ translation(2, 1)]
    golden = {
        "cases": [case([4, 3, 12, 12], strong, taps), case([2, 1, 16, 16], mild, taps)],
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, taps * math.sqrt(2))


if __name__ == "__main__":
    main()
