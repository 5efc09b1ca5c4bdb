"""Makes tests/golden/fidelity.json: PSNR and SSIM of pairs of pictures by scikit-image, MS-SSIM written out in numpy.

MS-SSIM (Wang, Simoncelli and Bovik 2003): the contrast terms of five scales, each half as large by averaging 2x2, and the
whole SSIM of the last, to the powers of the paper's weights; each channel by itself, then their mean. Its SSIM of the first
scale is checked against scikit-image's. Y is that of ITU-R BT.601 as MATLAB's rgb2ycbcr has it. Pictures are of 8 bits,
[h, w, c], from the formula

    round(127.5 + 100 sin(rate (i + 1) + 0.3 sin(0.01 i^2)) + noise)    i the flat index, noise 20 sin(7.7 i) in the second

Made with Python 3.11.7, numpy and scikit-image 0.26. Run by hand, from anywhere:

    python tests/golden/fidelity.py
"""

import json
from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def picture(h, w, c, rate, noise):
    i = np.arange(h * w * c, dtype=np.float64)
    value = 127.5 + 100 * np.sin(rate * (i + 1) + 0.3 * np.sin(0.01 * i * i)) + noise * np.sin(7.7 * i)
    return np.clip(np.round(value), 0, 255).astype(np.uint8).reshape(h, w, c)


def luma(x):
    return (x.astype(np.float64) @ np.array([65.481, 128.553, 24.966])) / 255 + 16


def blurred(x):
    t = np.arange(11) - 5
    g = np.exp(-t * t / (2 * 1.5**2))
    g /= g.sum()
    for axis in (0, 1):
        x = np.lib.stride_tricks.sliding_window_view(x, 11, axis) @ g
    return x


def terms(x, y):
    """The means of SSIM and of its contrast and structure, of one channel."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = blurred(x), blurred(y)
    vx, vy, vxy = blurred(x * x) - mx * mx, blurred(y * y) - my * my, blurred(x * y) - mx * my
    cs = (2 * vxy + c2) / (vx + vy + c2)
    return ((2 * mx * my + c1) / (mx * mx + my * my + c1) * cs).mean(), cs.mean()


def ms_ssim(x, y):
    weights, product = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333], 1.0
    for scale, weight in enumerate(weights):
        ssim, cs = terms(x, y)
        product *= max(ssim if scale == 4 else cs, 0) ** weight
        h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
        x, y = ((p[:h:2, :w:2] + p[1:h:2, :w:2] + p[:h:2, 1:w:2] + p[1:h:2, 1:w:2]) / 4 for p in (x, y))
    return product


def ssim(x, y):
    more = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return structural_similarity(x, y, channel_axis=2 if x.ndim == 3 else None, **more)


cases = []
for h, w, c in [(40, 33, 3), (180, 177, 1), (177, 180, 3)]:
    x, y = picture(h, w, c, 0.37, 0), picture(h, w, c, 0.37, 20)
    channels = [(x[..., i].astype(float), y[..., i].astype(float)) for i in range(c)]
    ours = np.mean([terms(*pair)[0] for pair in channels])
    assert abs(ours - ssim(x, y)) < 1e-9, (ours, ssim(x, y))
    case = {"shape": [h, w, c], "psnr": peak_signal_noise_ratio(x, y), "ssim": ssim(x, y)}
    if min(h, w) >= 176:
        case["ms_ssim"] = np.mean([ms_ssim(*pair) for pair in channels])
    if c == 3:
        a, b = luma(x)[4:-4, 4:-4], luma(y)[4:-4, 4:-4]
        case["psnr_y"], case["ssim_y"] = peak_signal_noise_ratio(a, b, data_range=255), ssim(a, b)
    cases.append({key: value if key == "shape" else float(value) for key, value in case.items()})
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(cases, indent=1) + "\n")
print(path.read_text())
