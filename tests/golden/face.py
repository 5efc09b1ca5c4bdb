"""Makes tests/golden/face.json: how faces are aligned, matched in colour and put back, by numpy.

    similarity  Umeyama 1991, equations 40 to 43, by the singular value decomposition
    cut         a pixel of the face is the mean of ceil(s) x ceil(s) samples of it, s the pixels of the picture that it covers a side;
                a sample lies between the four nearest pixels, whose centres are at halves; beyond the edge is what is at the edge
    put back    the same of the picture's pixels by those of the face: level (1 - share) + face share, where the share is the mask's
                between pixels (in 256 levels) times a window: 3 t² - 2 t³ with t = (1 - d) / 0.2 within 0 and 1, where d is the distance
                from (nose, 0.5) in units of half a side; across, a unit is half a side times the mean distance of the nose from the
                eye and the corner of the mouth on that side over 0.165, squared, within 0.2 and 0.5 of a side
    matched     in CIE Lab (D65): (x - mean) deviation_of_the_other / deviation + mean_of_the_other, weighted by the mask, the quotient
                within 1/2 and 2

Pictures have the levels round(127.5 + 110 sin(rate (i + 1) + 0.3 sin(0.01 i²))), the mask 0.5 + 0.5 sin(0.05 (i + 1) + 0.3 sin(0.01 i²)).

Made with numpy 2.4.6. Run by hand, from anywhere:

    python tests/golden/face.py
"""

import json
from pathlib import Path

import numpy as np

SIDE = 16


def wave(count, rate):
    i = np.arange(count, dtype=np.float64)
    return np.sin(rate * (i + 1) + 0.3 * np.sin(0.01 * i * i))


def picture(width, height, rate):
    return np.floor(127.5 + 110 * wave(width * height * 3, rate) + 0.5).reshape(height, width, 3)


def mask():
    return (0.5 + 0.5 * wave(SIDE * SIDE, 0.05).astype(np.float32)).astype(np.float64).reshape(SIDE, SIDE)


def umeyama(p, q):
    p, q = np.array(p, float), np.array(q, float)
    a, b = p - p.mean(0), q - q.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a / len(p))
    s = np.diag([1, 1 if np.linalg.det(u) * np.linalg.det(vt) > 0 else -1])
    turn = u @ s @ vt
    scale = np.trace(np.diag(d) @ s) / a.var(0).sum()
    shift = q.mean(0) - scale * turn @ p.mean(0)
    return scale * turn, shift


def samples(covered):
    many = int(np.clip(np.ceil(covered), 1, 8))
    return [((i + 0.5) / many, (j + 0.5) / many) for j in range(many) for i in range(many)]


def sample(image, x, y):
    h, w = image.shape[:2]
    x, y = min(max(x - 0.5, 0), w - 1), min(max(y - 0.5, 0), h - 1)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, w - 1), min(top + 1, h - 1)
    across, down = x - left, y - top
    above = image[top, left] * (1 - across) + image[top, right] * across
    below = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return above * (1 - down) + below * down


def cut(image, matrix, shift):
    back = np.linalg.inv(matrix)
    places = samples(np.sqrt(np.linalg.det(back)))
    found = np.zeros((SIDE, SIDE, 3))
    for y in range(SIDE):
        for x in range(SIDE):
            at = [back @ (np.array([x + i, y + j]) - shift) for i, j in places]
            found[y, x] = np.mean([sample(image, *place) for place in at], 0)
    return np.floor(found + 0.5)


FRONT = [[0.319, 0.299], [0.679, 0.297], [0.500, 0.504], [0.351, 0.713], [0.651, 0.711]]
TURNED = [[0.30, 0.30], [0.66, 0.30], [0.56, 0.50], [0.34, 0.70], [0.64, 0.70]]


def window(place, landmarks):
    x = np.array(landmarks)[:, 0]
    eye, corner = (1, 4) if place[0] > x[2] else (0, 3)
    across = np.clip(0.5 * (((x[eye] + x[corner]) / 2 - x[2]) / 0.165) ** 2, 0.2, 0.5)
    t = np.clip((1 - np.linalg.norm([(place[0] - x[2]) / across, (place[1] - 0.5) / 0.5])) / 0.2, 0, 1)
    return 3 * t**2 - 2 * t**3


def put_back(image, face, matrix, shift, landmarks):
    found, levels = image.copy(), np.floor(mask() * 255 + 0.5)
    places = samples(np.sqrt(np.linalg.det(matrix)))
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            total = np.zeros(3)
            for i, j in places:
                at = matrix @ np.array([x + i, y + j]) + shift
                share = window(at / SIDE, landmarks) * sample(levels, *at) / 255
                total += image[y, x] * (1 - share) + sample(face, *at) * share
            found[y, x] = np.floor(total / len(places) + 0.5)
    return found


WHITE = np.array([0.95047, 1.0, 1.08883])
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def lab(image):
    c = image / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    t = linear @ TO_XYZ.T / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def rgb(colour):
    y = (colour[..., 0] + 16) / 116
    f = np.stack([y + colour[..., 1] / 500, y, y - colour[..., 2] / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * WHITE
    linear = np.clip(xyz @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return np.floor(255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) + 0.5)


def matched(face, like):
    own, other, weights = lab(face), lab(like), mask()[..., None]

    def moments(x):
        mean = (x * weights).sum((0, 1)) / weights.sum()
        return mean, np.sqrt(((x - mean) ** 2 * weights).sum((0, 1)) / weights.sum())

    (mean, deviation), (to, wanted) = moments(own), moments(other)
    return rgb((own - mean) * np.clip(wanted / deviation, 0.5, 2) + to)


def whole(image):
    return [int(level) for level in image.flatten()]


def main():
    upright = [[10.0, 8.0], [20.0, 8.0], [15.0, 13.0], [11.0, 18.0], [19.0, 18.0]]
    template = [[SIDE * x, SIDE * y] for x, y in FRONT]
    turned = [[30 + 2.3 * x - 1.1 * y + 0.2 * i, 12 + 1.1 * x + 2.3 * y - 0.1 * i * i] for i, (x, y) in enumerate(upright)]
    mirrored = [[-x, y] for x, y in upright]
    cases = [(upright, template), (turned, template), (mirrored, template), (template, turned)]
    similarities = []
    for p, q in cases:
        matrix, shift = umeyama(p, q)
        similarities.append({"from": p, "to": q, "found": [matrix[0, 0], matrix[1, 0], *shift]})
    faces = {}
    tilted = [[20 - 4, 12 + 2], [20 + 5, 12 - 1], [21, 17], [18, 21], [25, 20]]
    large = [[6.0, 6.0], [30.0, 4.0], [19.0, 15.0], [8.0, 25.0], [31.0, 24.0]]
    beyond = [[x - 14, y + 9] for x, y in tilted]
    for name, p, landmarks in [("tilted", tilted, FRONT), ("large", large, TURNED), ("beyond the edge", beyond, FRONT)]:
        p = [[float(x), float(y)] for x, y in p]
        matrix, shift = umeyama(p, template)
        image = picture(40, 30, 0.013)
        back = put_back(image, picture(SIDE, SIDE, 0.029), matrix, shift, landmarks)
        found = {"cut": whole(cut(image, matrix, shift)), "put_back": whole(back)}
        faces[name] = {"from": p, "to": template, "landmarks": landmarks, **found}
    one, other = picture(SIDE, SIDE, 0.013), picture(SIDE, SIDE, 0.029)
    dim = np.floor(other / 2) + 20
    found = {"similarities": similarities, "faces": faces, "matched": whole(matched(one, dim))}
    with open(Path(__file__).with_suffix(".json"), "w") as file:
        json.dump(found, file)
        file.write("\n")


if __name__ == "__main__":
    main()
