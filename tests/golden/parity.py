"""Measures made features and pictures with torch-fidelity, clean-fid and prdc themselves, for cli/tests/parity.rs.

    python tests/golden/parity.py FOLDER

writes arrays, pictures and weights to FOLDER and prints, as JSON, what `ganvas eval` gets (`args`) and each number wanted of
it: its name, the tool's value, and the share of the value by which Ganvas may differ, 1e-9 where the tool computes in float64
and more where it rounds to float32. A "deviation" is the one that the tool gives. The network's weights are inception.py's.

Needs PyTorch, torch-fidelity 0.4.0, clean-fid 0.1.35, prdc 0.2, scipy, scikit-learn, pillow and safetensors; no torchvision.
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import inception  # first: it stands in for torchvision
import numpy as np
import torch
from cleanfid.fid import fid_from_feats, kernel_distance
from PIL import Image
from prdc import compute_prdc
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

KID, ISC = "kernel_inception_distance", "inception_score"


def made(rng, rows, width, scale, shift):
    """Positive and correlated, as features of a network with ReLU are."""
    mixed = rng.standard_normal((rows, width)) @ rng.standard_normal((width, width)) / np.sqrt(width)
    return scale * np.maximum(mixed + shift, 0)


def fidelity_fd(a, b):
    a, b = (fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b))
    return fid_statistics_to_metric(a, b, False)["frechet_inception_distance"]


def arrays(folder):
    rng = np.random.default_rng(7)
    wide = [made(rng, 1200, 64, 1.0, 0.3), made(rng, 1100, 64, 1.2, 0.2)]
    few = [made(rng, 60, 96, 1.0, 0.3), made(rng, 50, 96, 1.2, 0.2)]  # covariances without full rank
    logits = 4 * rng.standard_normal((1003, 100))

    def case(sides, args, *wanted):
        names = []
        for side, x in zip("ab", sides):
            names.append(f"{side}-{len(x)}-{x.dtype}.npz")
            np.savez(folder / names[-1], x)
        return {"args": [names[0], "--against", names[-1], *args], "wanted": wanted}

    for sides, share in ((wide, 1e-9), (few, 1e-6)):  # roots of a singular matrix are good to half the digits
        rounded = [x.astype(np.float32) for x in sides]
        args = ["--metric", "fd"]
        yield case(sides, args, ("distance", fidelity_fd(*sides), share))
        yield case(rounded, [*args, "--like", "torch-fidelity"], ("distance", fidelity_fd(*rounded), 1e-6))
        yield case(rounded, [*args, "--like", "clean-fid"], ("distance", float(fid_from_feats(*rounded)), 1e-6))

    rounded = [x.astype(np.float32) for x in wide]
    args = ["--metric", "kid", "--like"]
    kid = kid_features_to_metric(*(torch.from_numpy(x) for x in rounded), verbose=False)
    wanted = ("distance", kid[f"{KID}_mean"], 1e-5), ("deviation", kid[f"{KID}_std"], 1e-4)
    yield case(rounded, [*args, "torch-fidelity"], *wanted)
    for sides in (rounded, [x[:400] for x in rounded]):
        np.random.seed(2020)  # with which, and in this order, it draws as torch-fidelity does
        yield case(sides, [*args, "clean-fid"], ("distance", kernel_distance(*sides[::-1]), 1e-5))

    scores = isc_features_to_metric(torch.from_numpy(logits))
    wanted = ("score", scores[f"{ISC}_mean"], 1e-9), ("deviation", scores[f"{ISC}_std"], 1e-9)
    yield case([logits], ["--metric", "is", "--like", "torch-fidelity"], *wanted)

    for sides in (wide, rounded):
        found = prc_features_to_metric(*(torch.from_numpy(x) for x in sides), verbose=False)
        wanted = ((quantity, found[quantity], 1e-6) for quantity in ("precision", "recall"))  # means in float32
        yield case(sides, ["--metric", "prc"], *wanted)
        found = compute_prdc(real_features=sides[1], fake_features=sides[0], nearest_k=5)
        yield case(sides, ["--metric", "prdc"], *((quantity, float(value), 1e-9) for quantity, value in found.items()))


def pictures(folder):
    """Pictures through the network, with its weights from every kind of file."""
    rng, net = np.random.default_rng(8), inception.network()
    inception.save(net, folder)  # which makes it float32
    net.feature_extractor_internal_dtype = torch.float32
    seen = []
    for name, power in (("made", 1.0), ("real", 1.3)):
        (folder / name).mkdir()
        levels = rng.random((20, 8, 8, 3)).repeat(5, 1).repeat(4, 2) ** power
        levels = (255 * levels).astype(np.uint8)[:, :32]
        for i, picture in enumerate(levels):
            Image.fromarray(picture).save(folder / name / f"{i}.png")
        seen.append(net(torch.from_numpy(levels.transpose(0, 3, 1, 2).copy())))
    (made, logits), (real, _) = seen
    score = isc_features_to_metric(logits, splits=1, shuffle=False)[f"{ISC}_mean"]
    wanted = ("distance", fidelity_fd(made.numpy(), real.numpy()), 1e-4), ("score", score, 1e-7)
    args = ["made", "--against", "real:all", "--metric", "fd", "--metric", "is"]
    for file in ("old.pth", "new.pth", "weights.safetensors"):
        yield {"args": [*args, "--features", "inception", "--weights", file], "wanted": wanted}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    with redirect_stdout(sys.stderr):
        found = [*arrays(place), *pictures(place)]
    print(json.dumps(found))
