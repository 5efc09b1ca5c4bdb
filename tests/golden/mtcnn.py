"""Makes tests/golden/mtcnn.json: what MTCNN's three networks make of waves, and the faces that it finds in photographs.

The networks are written out after Zhang et al. 2016, figure 2, with PReLU, pooling whose last window may hang over the edge, and
dense layers that see columns, then rows, then channels. The cascade follows the paper's section II with the constants of the PyPI
package facenet-pytorch: the pyramid's factor 0.709 from faces of 20 pixels on, thresholds 0.6, 0.7 and 0.7, overlaps of 0.5 within
a size, of 0.7 after it, and of the smaller frame after the last network.

- drawn: outputs with parameters of our own. The p-th, in the order of the package's files, is wave(shape, 0.37 + 0.05 p), rounded
  to float32, times 3 / sqrt(fan in) for weights and 0.1 for biases, and 0.1 times it plus 0.25 for the slopes of PReLU.
- packaged: outputs with the parameters of the package.
- pictures: the faces of astronaut, camera, motorcycle_left (a machine in which MTCNN sees two faces) and coffee (none) of the PyPI
  package scikit-image 0.26.0; and of astronaut with every pixel made nine, which is seen at 1280 pixels.

Inputs are wave(shape, 0.013), with sin(rate (i + 1) + 0.3 sin(0.01 i^2)) at the flat index i. An output is [how sure, four shifts,
ten places] of each place. All of it is float32, as in the package, which finds the same faces.

Made with torch 2.15.0 and pillow 13.0.0, on CPU. Run by hand, from anywhere, after `pip download --no-deps facenet-pytorch==2.6.0`
and `pip download --no-deps --python-version 3.11 --only-binary=:all: scikit-image==0.26.0`:

    python tests/golden/mtcnn.py facenet_pytorch-2.6.0-py3-none-any.whl scikit_image-0.26.0-cp311-*.whl
"""

import hashlib
import io
import json
import math
import sys
import zipfile
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional as F

torch.set_num_threads(1)
WHEELS = [
    "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
]
# Layers with PReLU: name, shape of the weight, side of the pooling after it. Then the heads.
NETWORKS = {
    "pnet": (
        [("conv1", [10, 3, 3, 3], 2), ("conv2", [16, 10, 3, 3], 0), ("conv3", [32, 16, 3, 3], 0)],
        [("conv4_1", [2, 32, 1, 1]), ("conv4_2", [4, 32, 1, 1])],
    ),
    "rnet": (
        [
            ("conv1", [28, 3, 3, 3], 3),
            ("conv2", [48, 28, 3, 3], 3),
            ("conv3", [64, 48, 2, 2], 0),
            ("dense4", [128, 576], 0),
        ],
        [("dense5_1", [2, 128]), ("dense5_2", [4, 128])],
    ),
    "onet": (
        [
            ("conv1", [32, 3, 3, 3], 3),
            ("conv2", [64, 32, 3, 3], 3),
            ("conv3", [64, 64, 3, 3], 2),
            ("conv4", [128, 64, 2, 2], 0),
            ("dense5", [256, 1152], 0),
        ],
        [("dense6_1", [2, 256]), ("dense6_2", [4, 256]), ("dense6_3", [10, 256])],
    ),
}
INPUTS = {"pnet": [1, 3, 23, 30], "rnet": [2, 3, 24, 24], "onet": [2, 3, 48, 48]}
PICTURES = ["astronaut", "camera", "motorcycle_left", "coffee"]
LONGEST = 1280


def wave(shape, rate):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().reshape(shape)


def drawn(network):
    layers, heads = NETWORKS[network]
    names = []
    for name, shape, _ in layers:
        prelu = "prelu" + name.lstrip("convdes")
        names += [(f"{name}.weight", shape), (f"{name}.bias", shape[:1]), (f"{prelu}.weight", shape[:1])]
    for name, shape in heads:
        names += [(f"{name}.weight", shape), (f"{name}.bias", shape[:1])]
    parameters = {}
    for p, (name, shape) in enumerate(names):
        value = wave(shape, 0.37 + 0.05 * p)
        if name.startswith("prelu"):
            value = 0.1 * value + 0.25
        else:
            value = value * (3 / math.sqrt(math.prod(shape[1:])) if name.endswith("weight") else 0.1)
        parameters[name] = value
    return parameters


def output(network, parameters, x):
    """How sure [n, ..], and the other heads [n, k, ..]."""
    apply = lambda name, x: (F.conv2d if x.dim() == 4 else F.linear)(
        x, parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    )
    layers, heads = NETWORKS[network]
    for name, shape, pooling in layers:
        if len(shape) == 2 and x.dim() == 4:
            x = x.permute(0, 3, 2, 1).reshape(len(x), -1)
        x = apply(name, x)
        x = F.prelu(x, parameters["prelu" + name.lstrip("convdes") + ".weight"])
        if pooling > 0:
            x = F.max_pool2d(x, pooling, 2, ceil_mode=True)
    first, *rest = [apply(name, x) for name, _ in heads]
    return first.softmax(1)[:, 1], rest


def flat(sure, rest):
    return [round(v, 6) for v in torch.cat([sure.unsqueeze(1), *rest], 1).flatten().tolist()]


def apart(frames, sure, limit, of_smaller=False):
    """The surest that do not overlap with a surer one by more than the limit."""
    left, kept = sure.argsort(descending=True, stable=True), []
    more = 1 if of_smaller else 0
    areas = (frames[:, 2] - frames[:, 0] + more) * (frames[:, 3] - frames[:, 1] + more)
    while len(left) > 0:
        best, left = left[0], left[1:]
        kept.append(best.item())
        start = torch.maximum(frames[best, :2], frames[left, :2])
        end = torch.minimum(frames[best, 2:], frames[left, 2:])
        shared = (end - start + more).clamp(min=0).prod(1)
        if of_smaller:
            share = shared / torch.minimum(areas[best], areas[left])
        else:
            share = shared / (areas[best] + areas[left] - shared)
        left = left[~(share > limit)]
    return torch.tensor(kept, dtype=torch.long)


def shifted(frames, shifts, more):
    sides = (frames[:, 2:] - frames[:, :2] + more).repeat(1, 2)
    return frames + shifts * sides


def square(frames):
    sides = frames[:, 2:] - frames[:, :2]
    side = sides.max(1, keepdim=True).values
    start = frames[:, :2] + sides * 0.5 - side * 0.5
    return torch.cat([start, start + side], 1)


def levels(picture, sides):
    return (F.interpolate(picture, sides, mode="area") - 127.5) * 0.0078125


def cut(picture, frames, side):
    """Crops [n, 3, side, side]; every frame must touch the picture."""
    height, width = picture.shape[2:]
    crops = []
    for left, top, right, bottom in frames.trunc().int().tolist():
        left, top, right, bottom = max(left, 1) - 1, max(top, 1) - 1, min(right, width), min(bottom, height)
        assert right > left and bottom > top
        crops.append(levels(picture[:, :, top:bottom, left:right], (side, side)))
    return torch.cat(crops)


def faces(networks, picture):
    """Of a picture [1, 3, h, w] of levels: frames, how sure, places [n, 5, 2]."""
    height, width = picture.shape[2:]
    scale, least = 12.0 / 20, min(height, width) * (12.0 / 20)
    frames, sure, shifts = [], [], []
    while least >= 12:
        seen = levels(picture, (int(height * scale + 1), int(width * scale + 1)))
        map_, (shift,) = output("pnet", networks["pnet"], seen)
        rows, columns = (map_[0] >= 0.6).nonzero(as_tuple=True)
        at = torch.stack([columns, rows], 1).float()
        found = torch.cat([((2 * at + 1) / scale).floor(), ((2 * at + 12) / scale).floor()], 1)
        kept = apart(found, map_[0, rows, columns], 0.5)
        frames.append(found[kept])
        sure.append(map_[0, rows, columns][kept])
        shifts.append(shift[0, :, rows, columns].T[kept])
        scale, least = scale * 0.709, least * 0.709
    frames, sure, shifts = torch.cat(frames), torch.cat(sure), torch.cat(shifts)
    kept = apart(frames, sure, 0.7)
    frames = square(shifted(frames[kept], shifts[kept], 0))
    if len(frames) > 0:
        sure, (shifts,) = output("rnet", networks["rnet"], cut(picture, frames, 24))
        passed = sure > 0.7
        frames, sure, shifts = frames[passed], sure[passed], shifts[passed]
        kept = apart(frames, sure, 0.7)
        frames = square(shifted(frames[kept], shifts[kept], 1))
    if len(frames) == 0:
        return frames, torch.zeros(0), torch.zeros(0, 5, 2)
    sure, (shifts, places) = output("onet", networks["onet"], cut(picture, frames, 48))
    passed = sure > 0.7
    frames, sure, shifts, places = frames[passed], sure[passed], shifts[passed], places[passed]
    sides = frames[:, 2:] - frames[:, :2] + 1
    places = places.reshape(-1, 2, 5).transpose(1, 2) * sides.unsqueeze(1) + frames[:, None, :2] - 1
    frames = shifted(frames, shifts, 1)
    kept = apart(frames, sure, 0.7, of_smaller=True)
    return frames[kept], sure[kept], places[kept]


def found(networks, picture):
    height, width = picture.shape[2:]
    longer = max(height, width)
    ratios = torch.ones(2)
    if longer > LONGEST:
        sides = [(2 * side * LONGEST + longer) // (2 * longer) for side in (height, width)]
        picture = (F.interpolate(picture, sides, mode="area") + 0.5).floor()
        ratios = torch.tensor([width / sides[1], height / sides[0]])
    frames, sure, places = faces(networks, picture)
    rounded = lambda values: [round(v, 3) for v in values.flatten().tolist()]
    return [
        {"frame": rounded(frame * ratios.repeat(2)), "sure": round(s.item(), 6), "landmarks": rounded(five * ratios)}
        for frame, s, five in zip(frames, sure, places)
    ]


wheels = []
for path, wanted in zip(sys.argv[1:], WHEELS, strict=True):
    data = Path(path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == wanted, path
    wheels.append(zipfile.ZipFile(io.BytesIO(data)))
packaged = {
    name: torch.load(io.BytesIO(wheels[0].read(f"facenet_pytorch/data/{name}.pt")), weights_only=True)
    for name in NETWORKS
}
golden = {"drawn": {}, "packaged": {}, "pictures": {}}
with torch.no_grad():
    for name in NETWORKS:
        x = wave(INPUTS[name], 0.013)
        golden["drawn"][name] = flat(*output(name, drawn(name), x))
        golden["packaged"][name] = flat(*output(name, packaged[name], x))
    for name in PICTURES:
        picture = Image.open(io.BytesIO(wheels[1].read(f"skimage/data/{name}.png"))).convert("RGB")
        sides = (picture.height, picture.width, 3)
        picture = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).reshape(sides)
        picture = picture.permute(2, 0, 1).unsqueeze(0).float()
        golden["pictures"][name] = found(packaged, picture)
        if name == "astronaut":
            golden["pictures"]["enlarged"] = found(packaged, picture.repeat_interleave(3, 2).repeat_interleave(3, 3))
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
