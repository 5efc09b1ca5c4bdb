"""Makes tests/golden/degrade.json: what numpy, OpenCV and Pillow say that the operations of src/data/degrade compute.

resize    bicubic: `imresize` below, which follows MATLAB's documentation; the other filters: OpenCV's, in float32
pillow    Pillow's BICUBIC in mode F, of which only pixels whose support stays inside the picture are compared: Pillow cuts
          the filter at the border where MATLAB mirrors the picture
kernels   Wang et al. 2021, "Real-ESRGAN", eq. 2 to 6, with scipy's Bessel function
blur      the sum of the definition over a picture that numpy pads by `reflect`

Pictures come from the formula 0.5 + 0.4 sin(0.37 (i + 1) + 0.3 sin(0.01 i^2)), rounded to float32, i the flat index of
[channels, height, width]. Nothing is drawn at random. Made with numpy 2.4.6, scipy 1.17.1, opencv-python-headless 5.0.0 and
Pillow 13.0.0. Run by hand, from anywhere:

    python tests/golden/degrade.py
"""

import json
import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.special import j1


def wave(width, height, channels):
    i = np.arange(channels * height * width, dtype=np.float64)
    values = 0.5 + 0.4 * np.sin(0.37 * (i + 1) + 0.3 * np.sin(0.01 * i * i))
    return values.astype(np.float32).reshape(channels, height, width)


def imresize(plane, new, axis):
    """One axis of MATLAB's imresize(.., 'bicubic') to `new` pixels, with the kernel as wide as those when shrinking."""
    plane = np.moveaxis(plane.astype(np.float64), axis, 0)
    old = plane.shape[0]
    scale = new / old
    stretch = max(1.0, 1.0 / scale)
    u = (np.arange(1, new + 1) - 0.5) / scale + 0.5  # centres, counted from 1
    reach = math.ceil(4 * stretch) + 2
    places = np.floor(u - 2 * stretch)[:, None] + np.arange(reach)[None, :]
    x = np.abs((u[:, None] - places) / stretch)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))
    weights /= weights.sum(axis=1, keepdims=True)
    mirror = np.concatenate([np.arange(old), np.arange(old)[::-1]])  # symmetric, the edge repeated
    places = mirror[(places.astype(int) - 1) % (2 * old)]
    return np.moveaxis(np.einsum("nk,nk...->n...", weights, plane[places]), 0, axis)


def short(values):
    return [float(f"{v:.8g}") for v in np.asarray(values, dtype=np.float64).ravel()]


def resize_cases():
    picture, cases = wave(12, 9, 3), []
    for width, height in [(6, 3), (5, 4), (17, 20), (12, 3), (2, 9)]:
        planes = [imresize(imresize(plane, height, 0), width, 1) for plane in picture]
        cases.append({"filter": "bicubic", "width": width, "height": height, "values": short(planes)})
    flags = {"bicubic_of_four": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}
    for name, flag in flags.items():
        for width, height in [(6, 3), (5, 4), (17, 20)]:
            planes = [cv2.resize(plane, (width, height), interpolation=flag) for plane in picture]
            cases.append({"filter": name, "width": width, "height": height, "values": short(planes)})
    return cases


def pillow_case():
    plane = wave(40, 40, 1)[0]
    small = np.asarray(Image.fromarray(plane).resize((16, 16), Image.Resampling.BICUBIC))
    return {"margin": 2, "values": short(small)}


def kernel(kind, side, sigma_1=0.0, sigma_2=0.0, theta=0.0, beta=0.0, omega_c=0.0):
    line = np.arange(side) - side // 2
    i, j = np.meshgrid(line, line)  # i to the right, j down
    if kind == "sinc":
        r = np.sqrt(i**2 + j**2)
        r[side // 2, side // 2] = 1.0
        k = omega_c / (2 * np.pi * r) * j1(omega_c * r)
        k[side // 2, side // 2] = omega_c**2 / (4 * np.pi)
    else:
        rotation = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        covariance = rotation @ np.diag([sigma_1**2, sigma_2**2]) @ rotation.T
        c = np.stack([i, j], axis=-1)
        q = np.einsum("yxa,ab,yxb->yx", c, np.linalg.inv(covariance), c)
        k = {
            "gaussian": lambda: np.exp(-0.5 * q),
            "generalised": lambda: np.exp(-0.5 * q**beta),
            "plateau": lambda: 1 / (1 + q**beta),
        }[kind]()
    return k / k.sum()


def kernel_cases():
    cases = [
        dict(kind="gaussian", side=9, sigma_1=1.7, sigma_2=1.7, theta=0.0),
        dict(kind="gaussian", side=11, sigma_1=2.5, sigma_2=0.6, theta=0.7),
        dict(kind="generalised", side=7, sigma_1=1.2, sigma_2=1.2, theta=0.0, beta=0.6),
        dict(kind="generalised", side=9, sigma_1=2.9, sigma_2=0.9, theta=-1.1, beta=3.3),
        dict(kind="plateau", side=7, sigma_1=0.4, sigma_2=0.4, theta=0.0, beta=1.2),
        dict(kind="plateau", side=9, sigma_1=2.0, sigma_2=1.0, theta=2.2, beta=1.9),
        dict(kind="sinc", side=7, omega_c=2.9),
        dict(kind="sinc", side=21, omega_c=math.pi / 5),
    ]
    return [case | {"weights": [float(f"{v:.11g}") for v in kernel(**case).ravel()]} for case in cases]


def blur_cases():
    cases = []
    for kind, k in [("sinc", kernel("sinc", 11, omega_c=1.2)), ("gaussian", kernel("gaussian", 9, 2.0, 0.7, 0.6))]:
        reach = len(k) // 2
        plane = np.pad(wave(8, 6, 1)[0].astype(np.float64), reach, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(plane, k.shape)
        cases.append({"kind": kind, "values": short(np.einsum("yxab,ab->yx", windows, k))})
    return cases


golden = {"resize": resize_cases(), "pillow": pillow_case(), "kernels": kernel_cases(), "blur": blur_cases()}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
